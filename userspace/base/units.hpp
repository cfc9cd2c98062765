// SPDX-License-Identifier: GPL-2.0-or-later
// Block indexes, counts of blocks, sectors and bytes as distinct types: adding two kinds does not compile.
#pragma once

#include <algorithm>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.hpp"

namespace regild {

template <class Tag>
class Quantity {
  public:
    constexpr Quantity() = default;
    constexpr explicit Quantity(std::uint64_t count) : count_(count) {}
    constexpr std::uint64_t count() const { return count_; }
    // clang-tidy 14 sees the 0 that the compiler compares with.
    constexpr auto operator<=>(const Quantity&) const = default;  // NOLINT(modernize-use-nullptr)
    constexpr Quantity operator+(Quantity other) const { return Quantity(count_ + other.count_); }
    constexpr Quantity operator-(Quantity other) const { return Quantity(count_ - other.count_); }
    constexpr Quantity& operator+=(Quantity other) {
        count_ += other.count_;
        return *this;
    }
    constexpr Quantity& operator-=(Quantity other) {
        count_ -= other.count_;
        return *this;
    }

  private:
    std::uint64_t count_ = 0;
};

using Bytes = Quantity<struct BytesTag>;      // a length or an offset
using Sectors = Quantity<struct SectorsTag>;  // of 512 bytes
using Blocks = Quantity<struct BlocksTag>;    // how many blocks
constexpr Bytes to_bytes(Sectors sectors) {
    return Bytes(sectors.count() * 512);
}
constexpr Sectors to_sectors(Bytes bytes) {
    return Sectors(bytes.count() / 512);
}
constexpr Bytes KiB(std::uint64_t n) {
    return Bytes(n << 10);
}
constexpr Bytes MiB(std::uint64_t n) {
    return Bytes(n << 20);
}
constexpr std::uint64_t divide_up(std::uint64_t a, std::uint64_t b) {
    return a / b + (a % b != 0);
}
constexpr Bytes round_up(Bytes bytes, Bytes to) {
    return Bytes(divide_up(bytes.count(), to.count()) * to.count());
}

// Which block, from 0.
class BlockIndex {
  public:
    constexpr BlockIndex() = default;
    constexpr explicit BlockIndex(std::uint64_t value) : value_(value) {}
    constexpr std::uint64_t value() const { return value_; }
    constexpr auto operator<=>(const BlockIndex&) const = default;  // NOLINT(modernize-use-nullptr)
    constexpr BlockIndex operator+(Blocks n) const { return BlockIndex(value_ + n.count()); }
    constexpr Blocks operator-(BlockIndex other) const { return Blocks(value_ - other.value_); }

  private:
    std::uint64_t value_ = 0;
};

struct BlockRange {
    BlockIndex first;
    Blocks count;
    constexpr BlockIndex end() const { return first + count; }
    constexpr bool operator==(const BlockRange&) const = default;
};
// The blocks that are in both.
constexpr BlockRange intersection(BlockRange a, BlockRange b) {
    const BlockIndex first = std::max(a.first, b.first);
    const BlockIndex end = std::min(a.end(), b.end());
    return first < end ? BlockRange{first, end - first} : BlockRange{a.first, Blocks(0)};
}

// Of what is marked, hashed and restored as one: a power of two from 4 KiB to 512 KiB.
class BlockSize {
  public:
    static Result<BlockSize> from_bytes(std::uint64_t bytes);
    constexpr Bytes bytes() const { return Bytes(std::uint64_t{1} << shift_); }
    constexpr Sectors sectors() const { return to_sectors(bytes()); }
    constexpr Bytes offset_of(BlockIndex block) const { return Bytes(block.value() << shift_); }
    constexpr Bytes bytes_of(Blocks n) const { return Bytes(n.count() << shift_); }
    constexpr Blocks blocks_in(Bytes size) const { return Blocks(divide_up(size.count(), bytes().count())); }
    constexpr bool operator==(const BlockSize&) const = default;

  private:
    constexpr explicit BlockSize(unsigned shift) : shift_(shift) {}
    unsigned shift_;
};

// "64K", "4M", "512": a number of bytes with an optional K, M, G or T, large or small (powers of 1024).
Result<Bytes> parse_size(const std::string& text);
// "41.5 MiB", for people.
std::string format_size(Bytes bytes);

}  // namespace regild
