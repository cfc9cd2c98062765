// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/cache.hpp"

#include <endian.h>
#include <regild/regild_format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/crc32c.hpp"

namespace regild::format {
namespace {

// One entry for each 4 KiB of the device if its buckets are three quarters full. Of chunks that are shorter
// on average not all find room.
constexpr std::uint64_t device_per_bucket = std::uint64_t{192} * 4096;

static_assert(sizeof(regild_cache_header) <= sizeof(CacheUnit));
static_assert(sizeof(regild_cache_bucket) == sizeof(CacheUnit));
static_assert(sizeof(regild_cache_bucket::entries) / sizeof(regild_cache_entry) == entries_per_bucket);

constexpr std::size_t crc_end = offsetof(regild_cache_header, crc) + sizeof(regild_cache_header::crc);

std::uint32_t header_crc(std::span<const std::byte, 4096> bytes) {
    return crc32c(bytes.subspan(crc_end));
}

}  // namespace

std::optional<CacheGeometry> CacheGeometry::make(Bytes device_size) {
    if (device_size < min_cache_size) return std::nullopt;
    const Bytes size(std::min(device_size, max_cache_size).count() / cache_unit.count() * cache_unit.count());
    return CacheGeometry(size, divide_up(size.count(), device_per_bucket));
}

Bytes CacheGeometry::bucket_offset(std::uint64_t bucket) const {
    assert(bucket < buckets_);
    return Bytes(cache_unit.count() * (1 + bucket));
}

Bytes CacheGeometry::ring_offset() const {
    return Bytes(cache_unit.count() * (1 + buckets_));
}

Bytes CacheGeometry::ring_length() const {
    return size_ - ring_offset();
}

std::uint64_t CacheGeometry::bucket_of(const Digest& digest) const {
    return fingerprint_of(digest) % buckets_;
}

std::optional<CacheHeader> parse_cache_header(std::span<const std::byte, 4096> bytes) {
    regild_cache_header wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    if (std::memcmp(wire.magic, REGILD_CACHE_MAGIC, sizeof wire.magic) != 0 ||
        le32toh(wire.crc) != header_crc(bytes) || le32toh(wire.version) != REGILD_CACHE_VERSION)
        return std::nullopt;
    const CacheHeader header{Bytes(le64toh(wire.device_size)), Bytes(le64toh(wire.written))};
    if (!CacheGeometry::make(header.device_size) || header.written > Bytes(INT64_MAX) ||
        header.written.count() % cache_unit.count() != 0)
        return std::nullopt;
    return header;
}

CacheUnit serialize_cache_header(const CacheHeader& header) {
    regild_cache_header wire{};
    std::memcpy(wire.magic, REGILD_CACHE_MAGIC, sizeof wire.magic);
    wire.version = htole32(REGILD_CACHE_VERSION);
    wire.device_size = htole64(header.device_size.count());
    wire.written = htole64(header.written.count());
    CacheUnit bytes{};
    std::memcpy(bytes.data(), &wire, sizeof wire);
    const std::uint32_t crc = htole32(header_crc(bytes));
    std::memcpy(bytes.data() + offsetof(regild_cache_header, crc), &crc, sizeof crc);
    return bytes;
}

std::uint64_t fingerprint_of(const Digest& digest) {
    std::uint64_t fingerprint;
    std::memcpy(&fingerprint, digest.data(), sizeof fingerprint);
    return le64toh(fingerprint);
}

CacheBucket parse_bucket(std::span<const std::byte, 4096> bytes, Bytes ring_length) {
    regild_cache_bucket wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    CacheBucket bucket;
    for (std::size_t i = 0; i < bucket.size(); ++i) {
        const std::uint64_t place = le64toh(wire.entries[i].place);
        const Bytes offset((place << 4 >> 28) * chunk_alignment.count());
        const Bytes length(place & max_chunk_length);
        if (length == Bytes(0) || offset + length > ring_length) continue;
        bucket[i] = {le64toh(wire.entries[i].fingerprint), offset, length, place >> 60};
    }
    return bucket;
}

CacheUnit serialize_bucket(const CacheBucket& bucket) {
    regild_cache_bucket wire{};
    for (std::size_t i = 0; i < bucket.size(); ++i) {
        const CacheEntry& entry = bucket[i];
        wire.entries[i].fingerprint = htole64(entry.fingerprint);
        wire.entries[i].place = htole64(
            entry.lap << 60 | entry.offset.count() / chunk_alignment.count() << 24 | entry.length.count());
    }
    CacheUnit bytes;
    std::memcpy(bytes.data(), &wire, sizeof wire);
    return bytes;
}

}  // namespace regild::format
