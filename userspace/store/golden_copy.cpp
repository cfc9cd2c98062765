// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/golden_copy.hpp"

#include <algorithm>

namespace regild::store {

// A block is compressed only to wait in memory until it is written.
GoldenCopy::GoldenCopy(const format::Manifest& manifest, block::Storage& device)
    : NearbySource(golden_copy),
      manifest_(manifest),
      device_(device),
      hash_(manifest.salt),
      compressor_(codec::lowest_zstd_level),
      block_(manifest.block_size.bytes().count()) {}

bool GoldenCopy::may_have(BlockIndex block, const Digest&) {
    return end_of(block) <= device_.size();
}

std::optional<ByteVector> GoldenCopy::take(BlockIndex block, const Digest& digest) {
    if (!may_have(block, digest)) return std::nullopt;
    const Bytes offset = manifest_.block_size.offset_of(block);
    const std::size_t length = (end_of(block) - offset).count();
    if (!device_.read(offset, block_.span(0, length))) return std::nullopt;
    std::ranges::fill(block_.span(length, block_.size() - length), std::byte{0});
    if (hash_(block_.span()) != digest) return std::nullopt;
    ByteVector frame(codec::longest_frame(Bytes(block_.size())).count());
    const Result<Bytes> compressed = compressor_.compress(block_.span(), frame);
    if (!compressed) return std::nullopt;
    frame.resize(compressed->count());
    return frame;
}

// The last block ends where the image ends.
Bytes GoldenCopy::end_of(BlockIndex block) const {
    return std::min(manifest_.block_size.offset_of(block + Blocks(1)), manifest_.size);
}

}  // namespace regild::store
