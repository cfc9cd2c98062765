// SPDX-License-Identifier: GPL-2.0-or-later
// Eight bytes at a time by eight tables ("slicing-by-8"): the marks of a large volume are all checked at
// boot.
#include "base/crc32c.hpp"

#include <array>
#include <cstddef>

namespace regild {
namespace {

constexpr std::size_t slices = 8;
using Table = std::array<std::uint32_t, 256>;

// tables[n][byte]: what a byte that n others follow adds to the sum.
constexpr std::array<Table, slices> make_tables() {
    constexpr std::uint32_t reflected_polynomial = 0x82f63b78;
    std::array<Table, slices> tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
        tables[0][byte] = crc;
    }
    for (std::size_t n = 1; n < slices; ++n)
        for (std::uint32_t byte = 0; byte < 256; ++byte)
            tables[n][byte] = tables[n - 1][byte] >> 8 ^ tables[0][tables[n - 1][byte] & 0xff];
    return tables;
}

constexpr std::array<Table, slices> tables = make_tables();

std::uint32_t byte_at(std::span<const std::byte> data, std::size_t at) {
    return std::to_integer<std::uint32_t>(data[at]);
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t crc) {
    crc = ~crc;
    for (; data.size() >= slices; data = data.subspan(slices)) {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < slices; ++i) {
            const std::uint32_t before = i < sizeof crc ? crc >> (8 * i) & 0xff : 0;
            sum ^= tables[slices - 1 - i][byte_at(data, i) ^ before];
        }
        crc = sum;
    }
    for (std::size_t i = 0; i < data.size(); ++i)
        crc = crc >> 8 ^ tables[0][(crc ^ byte_at(data, i)) & 0xff];
    return ~crc;
}

}  // namespace regild
