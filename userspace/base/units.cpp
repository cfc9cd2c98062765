// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace regild {
namespace {

constexpr std::uint64_t min_block_size = 4096;
constexpr std::uint64_t max_block_size = 524288;

Error size_error(const std::string& text, const char* why) {
    return {Failure::usage, "'" + text + "' is not a size: " + why};
}

}  // namespace

Result<BlockSize> BlockSize::from_bytes(std::uint64_t bytes) {
    if (!std::has_single_bit(bytes) || bytes < min_block_size || bytes > max_block_size)
        return Error{Failure::usage, "a block size of " + std::to_string(bytes) +
                                         " bytes: it must be a power of two from 4 KiB to 512 KiB"};
    return BlockSize(static_cast<unsigned>(std::countr_zero(bytes)));
}

Result<Bytes> parse_size(const std::string& text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc::result_out_of_range) return size_error(text, "it is too large");
    if (error != std::errc{}) return size_error(text, "it must begin with a number");

    unsigned shift = 0;
    if (rest != end) {
        static constexpr std::string_view suffixes = "KMGTkmgt";
        const std::size_t suffix = suffixes.find(*rest);
        if (suffix == std::string_view::npos || rest + 1 != end)
            return size_error(text, "after the number only K, M, G or T may stand");
        shift = 10 * (static_cast<unsigned>(suffix % 4) + 1);
    }
    if (number > UINT64_MAX >> shift) return size_error(text, "it is too large");
    return Bytes(number << shift);
}

std::string format_size(Bytes bytes) {
    static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    std::size_t unit = 0;
    while (unit + 1 < units.size() && bytes.count() >> (10 * (unit + 1)) != 0)
        ++unit;

    const std::uint64_t one = std::uint64_t{1} << (10 * unit);
    if (bytes.count() % one == 0) return std::to_string(bytes.count() / one) + " " + units[unit];
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f %s",
                  static_cast<double>(bytes.count()) / static_cast<double>(one), units[unit]);
    return text.data();
}

}  // namespace regild
