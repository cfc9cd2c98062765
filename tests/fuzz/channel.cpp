// SPDX-License-Identifier: GPL-2.0-or-later
// A channel (seed: stable.json): what is accepted survives being written and read.
#include <cstdint>
#include <cstdlib>

#include "format/manifest.hpp"

using namespace regild::format;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)document_type(text);
    const auto channel = parse_channel(text);
    if (!channel) return 0;
    const auto again = parse_channel(serialize_channel(*channel));
    if (!again || !(*again == *channel)) std::abort();
    return 0;
}
