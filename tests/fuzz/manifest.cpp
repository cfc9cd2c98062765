// SPDX-License-Identifier: GPL-2.0-or-later
// A manifest (seed: manifest.json): what is accepted survives being written and read.
#include <cstdint>
#include <cstdlib>

#include "format/manifest.hpp"

using namespace regild::format;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)document_type(text);
    const auto manifest = parse_manifest(text);
    if (!manifest) return 0;
    const auto again = parse_manifest(serialize_manifest(*manifest));
    if (!again || !(*again == *manifest)) std::abort();
    return 0;
}
