// SPDX-License-Identifier: GPL-2.0-or-later
// A unit of a cache that anybody may have written: as a header, and as a bucket.
#include <cstdlib>

#include "format/cache.hpp"

using namespace regild;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    format::CacheUnit unit{};
    std::ranges::copy(std::as_bytes(std::span(data, std::min(size, unit.size()))), unit.begin());
    if (const auto header = format::parse_cache_header(unit)) {
        if (!format::CacheGeometry::make(header->device_size)) std::abort();
    }
    const Bytes ring = MiB(1);
    const format::CacheBucket entries = format::parse_bucket(unit, ring);
    for (const format::CacheEntry& entry : entries)
        if (entry.offset + entry.length > ring) std::abort();
    if (format::parse_bucket(format::serialize_bucket(entries), ring) != entries) std::abort();
    return 0;
}
