// SPDX-License-Identifier: GPL-2.0-or-later
// The cache on its device (FORMAT.md, part 3): a header, a table of hints and a ring of chunks. Nothing in it
// is believed: whoever takes a chunk hashes it.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace regild::format {

inline constexpr Bytes cache_unit = KiB(4);  // of the header and of a bucket
inline constexpr std::size_t entries_per_bucket = 256;
inline constexpr Bytes chunk_alignment{16};
inline constexpr std::uint32_t max_chunk_length = (1u << 24) - 1;
inline constexpr Bytes min_cache_size = MiB(1);
// What the offsets of entries reach.
inline constexpr Bytes max_cache_size{std::uint64_t{1} << 40};
// How many laps of the ring an entry can tell apart.
inline constexpr std::uint64_t cache_laps = 16;

using CacheUnit = std::array<std::byte, 4096>;

// Where what is on a device; follows from its size alone.
class CacheGeometry {
  public:
    // Nothing for a device that is smaller than min_cache_size. What lies behind max_cache_size is not used.
    static std::optional<CacheGeometry> make(Bytes device_size);

    std::uint64_t buckets() const { return buckets_; }
    Bytes bucket_offset(std::uint64_t bucket) const;
    Bytes ring_offset() const;
    Bytes ring_length() const;
    // Of the bucket that tells of a chunk with this digest.
    std::uint64_t bucket_of(const Digest& digest) const;

  private:
    CacheGeometry(Bytes size, std::uint64_t buckets) : size_(size), buckets_(buckets) {}
    Bytes size_;
    std::uint64_t buckets_;
};

struct CacheHeader {
    Bytes device_size;
    Bytes written;  // that were ever put into the ring, lap after lap: the next chunk goes behind them
    bool operator==(const CacheHeader&) const = default;
};
// Nothing when it is torn, of another version, or contradicts itself.
std::optional<CacheHeader> parse_cache_header(std::span<const std::byte, 4096> bytes);
CacheUnit serialize_cache_header(const CacheHeader& header);

struct CacheEntry {
    std::uint64_t fingerprint = 0;  // the first eight bytes of the digest
    Bytes offset;                   // in the ring, a multiple of chunk_alignment
    Bytes length;                   // at most max_chunk_length; 0: there is none
    std::uint64_t lap = 0;          // of the ring when it was put there, modulo cache_laps
    bool operator==(const CacheEntry&) const = default;
};
std::uint64_t fingerprint_of(const Digest& digest);

// Each has its place.
using CacheBucket = std::array<CacheEntry, entries_per_bucket>;
// What does not lie in a ring of `ring_length` is none.
CacheBucket parse_bucket(std::span<const std::byte, 4096> bytes, Bytes ring_length);
CacheUnit serialize_bucket(const CacheBucket& bucket);

}  // namespace regild::format
