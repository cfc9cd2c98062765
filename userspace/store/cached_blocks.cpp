// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/cached_blocks.hpp"

namespace regild::store {

CachedBlocks::CachedBlocks(const format::Manifest& manifest, Cache& cache)
    : NearbySource(cached_blocks),
      longest_(codec::longest_frame(manifest.block_size.bytes())),
      cache_(cache),
      is_right_(manifest) {}

bool CachedBlocks::may_have(BlockIndex, const Digest& digest) {
    return cache_.has(digest);
}

std::optional<ByteVector> CachedBlocks::take(BlockIndex, const Digest& digest) {
    std::optional<ByteVector> frame = cache_.get(digest, longest_);
    if (!frame || is_right_(*frame, digest)) return frame;
    cache_.forget(digest);
    return std::nullopt;
}

}  // namespace regild::store
