// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/cache.hpp"

#include <catch2/catch.hpp>

#include "format_golden.hpp"

namespace regild::format {
namespace {

CacheUnit unit_of(const std::string& file, std::size_t offset) {
    CacheUnit unit;
    std::ranges::copy(as_bytes(file).subspan(offset, unit.size()), unit.begin());
    return unit;
}

TEST_CASE("a cache is read and written as the golden file has it") {
    const std::string golden = test::golden_text("cache-small.bin");
    const std::optional<CacheGeometry> geometry = CacheGeometry::make(MiB(1) + KiB(64));
    REQUIRE(geometry);
    CHECK(geometry->buckets() == 2);
    CHECK(geometry->ring_offset() == Bytes(3 * 4096));
    CHECK(geometry->ring_length() == MiB(1) + KiB(64) - Bytes(3 * 4096));

    const CacheUnit header_bytes = unit_of(golden, 0);
    const std::optional<CacheHeader> header = parse_cache_header(header_bytes);
    REQUIRE(header);
    CHECK(*header == CacheHeader{MiB(1) + KiB(64), Bytes(19 * geometry->ring_length().count() + 8192)});
    CHECK(serialize_cache_header(*header) == header_bytes);

    for (const std::uint64_t bucket : {0, 1}) {
        const CacheUnit bytes = unit_of(golden, geometry->bucket_offset(bucket).count());
        const CacheBucket entries = parse_bucket(bytes, geometry->ring_length());
        const CacheEntry expected = bucket == 0 ? CacheEntry{0x0706050403020100, Bytes(0), Bytes(5000), 3}
                                                : CacheEntry{0x0f0e0d0c0b0a0909, Bytes(5008), Bytes(23), 3};
        CHECK(entries == CacheBucket{expected});
        CHECK(serialize_bucket(entries) == bytes);
    }
    Digest digest{};
    for (std::size_t i = 0; i < 8; ++i)
        digest[i] = static_cast<std::byte>(i);
    CHECK(fingerprint_of(digest) == 0x0706050403020100);
    CHECK(geometry->bucket_of(digest) == 0);
}

TEST_CASE("a header that is torn, of another version or contradicts itself is none") {
    const CacheUnit good = serialize_cache_header({MiB(64), Bytes(4096)});
    REQUIRE(parse_cache_header(good));
    for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{20}, std::size_t{4000}}) {
        CacheUnit torn = good;
        torn[at] ^= std::byte{1};
        CHECK_FALSE(parse_cache_header(torn));
    }
    CHECK_FALSE(parse_cache_header(serialize_cache_header({MiB(64), Bytes(std::uint64_t{1} << 63)})));
    CHECK_FALSE(parse_cache_header(serialize_cache_header({MiB(64), Bytes(4097)})));
    CHECK_FALSE(parse_cache_header(serialize_cache_header({KiB(64), Bytes(0)})));
    CHECK_FALSE(parse_cache_header(CacheUnit{}));
}

TEST_CASE("of a bucket only what lies in the ring is taken, each at its place") {
    const CacheBucket entries{CacheEntry{1, Bytes(0), Bytes(16), 0},
                              {},
                              {2, Bytes(992), Bytes(33), 15},
                              {3, Bytes(960), Bytes(64), 7}};
    const CacheUnit bytes = serialize_bucket(entries);
    CHECK(parse_bucket(bytes, Bytes(1024)) == CacheBucket{entries[0], {}, {}, entries[3]});
    CHECK(parse_bucket(bytes, Bytes(2048)) == entries);
    CHECK(parse_bucket(CacheUnit{}, Bytes(2048)) == CacheBucket{});
}

TEST_CASE("a device of less than a MiB is no cache, and none is larger than its offsets reach") {
    CHECK_FALSE(CacheGeometry::make(MiB(1) - Bytes(512)));
    const CacheGeometry largest = *CacheGeometry::make(Bytes(std::uint64_t{1} << 50));
    CHECK(largest.ring_offset() + largest.ring_length() == max_cache_size);
    for (const Bytes size : {MiB(1), MiB(64), MiB(64) + Bytes(512), MiB(4096)}) {
        const CacheGeometry geometry = *CacheGeometry::make(size);
        CHECK(geometry.bucket_offset(geometry.buckets() - 1) + cache_unit == geometry.ring_offset());
        CHECK(geometry.ring_offset() + geometry.ring_length() <= size);
        CHECK(geometry.ring_offset().count() < size.count() / 100 + 8192);
    }
}

}  // namespace
}  // namespace regild::format
