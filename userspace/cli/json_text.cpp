// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/json_text.hpp"

#include <nlohmann/json.hpp>

namespace regild::cli {

std::string json_text(const nlohmann::ordered_json& json) {
    constexpr int indent = 4;
    return json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace regild::cli
