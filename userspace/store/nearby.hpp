// SPDX-License-Identifier: GPL-2.0-or-later
// Blocks that need no network: chunks of the cache, and behind it a golden copy, which is the image as it is
// on another device. Neither is believed (invariant 4).
#pragma once

#include "block/storage.hpp"
#include "store/cache.hpp"
#include "store/frame_verifier.hpp"

namespace regild::store {

struct NearbyDevices {
    Cache* cache = nullptr;
    block::Storage* golden_copy = nullptr;  // block n of the image at the same place, of any version
};

// Not thread-safe.
class Nearby {
  public:
    // All must outlive it.
    Nearby(const format::Manifest& manifest, NearbyDevices devices);

    Cache* cache() const { return devices_.cache; }
    // Whether take() may well find it. Nothing is read but the table of the cache.
    bool may_have(BlockIndex block, const Digest& digest);

    enum class Place { cache, golden_copy };
    struct Found {
        Place place = Place::cache;
        ByteVector frame;
    };
    // A frame of that block, verified. What is wrong in the cache is forgotten there; what cannot be read is
    // not there.
    std::optional<Found> take(BlockIndex block, const Digest& digest);

  private:
    std::optional<ByteVector> take_from_cache(const Digest& digest);
    std::optional<ByteVector> take_from_copy(BlockIndex block, const Digest& digest);
    bool copy_reaches(BlockIndex block) const;
    Bytes end_in_copy(BlockIndex block) const;

    const format::Manifest& manifest_;
    const NearbyDevices devices_;
    FrameVerifier is_right_;
    codec::SaltedSha256 hash_;
    codec::Compressor compressor_;
    block::AlignedBuffer block_;  // of the copy
};

}  // namespace regild::store
