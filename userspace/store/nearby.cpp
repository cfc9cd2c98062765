// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/nearby.hpp"

#include <algorithm>

namespace regild::store {

// What the copy gives is compressed only to wait in memory until it is written.
Nearby::Nearby(const format::Manifest& manifest, NearbyDevices devices)
    : manifest_(manifest),
      devices_(devices),
      is_right_(manifest),
      hash_(manifest.salt),
      compressor_(codec::lowest_zstd_level),
      block_(devices.golden_copy ? manifest.block_size.bytes().count() : 0) {}

bool Nearby::may_have(BlockIndex block, const Digest& digest) {
    return (devices_.cache && devices_.cache->has(digest)) || copy_reaches(block);
}

std::optional<Nearby::Found> Nearby::take(BlockIndex block, const Digest& digest) {
    if (std::optional<ByteVector> frame = take_from_cache(digest))
        return Found{Place::cache, *std::move(frame)};
    if (std::optional<ByteVector> frame = take_from_copy(block, digest))
        return Found{Place::golden_copy, *std::move(frame)};
    return std::nullopt;
}

std::optional<ByteVector> Nearby::take_from_cache(const Digest& digest) {
    Cache* const cache = devices_.cache;
    if (!cache || !cache->has(digest)) return std::nullopt;
    std::optional<ByteVector> frame = cache->get(digest, codec::longest_frame(manifest_.block_size.bytes()));
    if (frame && is_right_(*frame, digest)) return frame;
    cache->forget(digest);
    return std::nullopt;
}

std::optional<ByteVector> Nearby::take_from_copy(BlockIndex block, const Digest& digest) {
    if (!copy_reaches(block)) return std::nullopt;
    const Bytes offset = manifest_.block_size.offset_of(block);
    const std::size_t length = (end_in_copy(block) - offset).count();
    if (!devices_.golden_copy->read(offset, block_.span(0, length))) return std::nullopt;
    std::ranges::fill(block_.span(length, block_.size() - length), std::byte{0});
    if (hash_(block_.span()) != digest) return std::nullopt;
    ByteVector frame(codec::longest_frame(Bytes(block_.size())).count());
    const Result<Bytes> compressed = compressor_.compress(block_.span(), frame);
    if (!compressed) return std::nullopt;
    frame.resize(compressed->count());
    return frame;
}

bool Nearby::copy_reaches(BlockIndex block) const {
    return devices_.golden_copy && end_in_copy(block) <= devices_.golden_copy->size();
}

// The last block ends where the image ends.
Bytes Nearby::end_in_copy(BlockIndex block) const {
    return std::min(manifest_.block_size.offset_of(block + Blocks(1)), manifest_.size);
}

}  // namespace regild::store
