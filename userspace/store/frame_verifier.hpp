// SPDX-License-Identifier: GPL-2.0-or-later
// Whether a frame is a block of the image (invariant 4).
#pragma once

#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "format/manifest.hpp"
#include "store/cache.hpp"

namespace regild::store {

// Not thread-safe: one object a thread.
class FrameVerifier {
  public:
    explicit FrameVerifier(const format::Manifest& manifest)
        : hash_(manifest.salt), block_(manifest.block_size.bytes().count()) {}

    // The frame that the cache has under this digest, if it is that block's; what is not is forgotten there.
    std::optional<ByteVector> take(Cache& cache, const Digest& digest) {
        std::optional<ByteVector> frame = cache.get(digest, codec::longest_frame(Bytes(block_.size())));
        if (frame && (*this)(*frame, digest)) return frame;
        cache.forget(digest);
        return std::nullopt;
    }

    // Whether `frame` gives a block with this digest.
    bool operator()(ConstByteSpan frame, const Digest& digest) {
        return decompressor_.decompress(frame, block_) && hash_(block_) == digest;
    }

  private:
    codec::SaltedSha256 hash_;
    codec::Decompressor decompressor_;
    ByteVector block_;
};

}  // namespace regild::store
