// SPDX-License-Identifier: GPL-2.0-or-later
// A configuration (seeds: configuration/*.json).
#include <cstdint>
#include <cstdlib>

#include "base/mapped_name.hpp"
#include "format/configuration.hpp"

using namespace regild;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto configuration =
        format::parse_configuration(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!configuration) {
        if (configuration.error().kind != Failure::usage) std::abort();
        return 0;
    }
    if (!is_valid_mapped_name(configuration->name) || configuration->data.empty()) std::abort();
    return 0;
}
