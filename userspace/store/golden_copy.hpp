// SPDX-License-Identifier: GPL-2.0-or-later
// The image as it is on another device, of any version: block n is at the same place.
#pragma once

#include "block/storage.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "format/manifest.hpp"
#include "store/nearby.hpp"

namespace regild::store {

inline constexpr NearbyKind golden_copy{.name = "golden copy", .taken = "copied", .keeps_frames = false};

class GoldenCopy final : public NearbySource {
  public:
    // Both must outlive it.
    GoldenCopy(const format::Manifest& manifest, block::Storage& device);
    // Whether it reaches so far.
    bool may_have(BlockIndex block, const Digest& digest) override;
    std::optional<ByteVector> take(BlockIndex block, const Digest& digest) override;

  private:
    Bytes end_of(BlockIndex block) const;

    const format::Manifest& manifest_;
    block::Storage& device_;
    codec::SaltedSha256 hash_;
    codec::Compressor compressor_;
    block::AlignedBuffer block_;
};

}  // namespace regild::store
