// SPDX-License-Identifier: GPL-2.0-or-later
// Spans of bytes, text and hexadecimal digits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace regild {

using ByteSpan = std::span<std::byte>;
using ConstByteSpan = std::span<const std::byte>;
using ByteVector = std::vector<std::byte>;
using Digest = std::array<std::byte, 32>;  // a SHA-256

inline ConstByteSpan as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
}
inline std::string_view as_text(ConstByteSpan bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
bool all_zero(ConstByteSpan bytes);
std::string to_hex(ConstByteSpan bytes);  // lower case
std::optional<ByteVector> from_hex(
    std::string_view digits);  // either case; nothing for odd or other characters

}  // namespace regild
