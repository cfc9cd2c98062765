// SPDX-License-Identifier: GPL-2.0-or-later
// The blocks that the cache has.
#pragma once

#include "store/frame_verifier.hpp"
#include "store/nearby.hpp"

namespace regild::store {

inline constexpr NearbyKind cached_blocks{.name = "cache", .taken = "cached", .keeps_frames = true};

class CachedBlocks final : public NearbySource {
  public:
    // Both must outlive it.
    CachedBlocks(const format::Manifest& manifest, Cache& cache);
    bool may_have(BlockIndex block, const Digest& digest) override;
    // What is wrong is forgotten in the cache.
    std::optional<ByteVector> take(BlockIndex block, const Digest& digest) override;

  private:
    const Bytes longest_;
    Cache& cache_;
    FrameVerifier is_right_;
};

}  // namespace regild::store
