// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/mapped_name.hpp"

namespace regild {
namespace {

constexpr std::size_t max_length = 127;  // DM_NAME_LEN less the NUL
constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789#+._-";

}  // namespace

bool is_valid_mapped_name(std::string_view name) {
    return !name.empty() && name.size() <= max_length &&
           name.find_first_not_of(allowed) == std::string_view::npos && name != "control" && name != "." &&
           name != "..";
}

}  // namespace regild
