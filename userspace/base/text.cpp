// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"

#include <cstddef>
#include <cstdint>

namespace regild {
namespace {

// The length in bytes of the printable character at the start of `text`; 0 when there is none. Well-formed
// UTF-8 as in table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing past U+10FFFF.
std::size_t printable_character(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    std::uint32_t character = first & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        character = character << 6 | (byte(i) & 0x3f);
    }
    const std::uint32_t smallest = length == 4   ? 0x10000
                                   : length == 3 ? 0x800
                                                 : 0xa0;  // below U+00A0 lies C1
    const bool surrogate = character >= 0xd800 && character <= 0xdfff;
    return character >= smallest && character <= 0x10ffff && !surrogate ? length : 0;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string shown;
    shown.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = printable_character(text);
        shown += length > 0 ? text.substr(0, length) : "?";
        text.remove_prefix(length > 0 ? length : 1);
    }
    return shown;
}

bool is_printable(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = printable_character(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

}  // namespace regild
