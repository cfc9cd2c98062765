// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a frame is a block of the image (invariant 4).
#pragma once

#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "format/manifest.hpp"

namespace regild::store {

// Not thread-safe: one object a thread.
class FrameVerifier {
  public:
    explicit FrameVerifier(const format::Manifest& manifest)
        : hash_(manifest.salt), block_(manifest.block_size.bytes().count()) {}

    // Whether `frame` gives a block with this digest.
    bool operator()(ConstByteSpan frame, const Digest& digest) { return (*this)(frame, digest, block_); }
    // The same; if so `into` has the block.
    bool operator()(ConstByteSpan frame, const Digest& digest, ByteSpan into) {
        return decompressor_.decompress(frame, into) && hash_(into) == digest;
    }

  private:
    codec::SaltedSha256 hash_;
    codec::Decompressor decompressor_;
    ByteVector block_;
};

}  // namespace regild::store
