// SPDX-License-Identifier: GPL-2.0-or-later
// Writes a hash tree file while the hashes of the data blocks come in.
#pragma once

#include <vector>

#include "codec/sha256.hpp"
#include "format/hash_tree.hpp"
#include "publish/folder.hpp"

namespace regild::publish {

// Holds one unfinished hash block per level: 4 KiB each, five levels at most, whatever the image's size.
class HashTreeWriter {
  public:
    // `file` is new and outlives the writer; its first hash block (the superblock) is the caller's.
    HashTreeWriter(OutputFile& file, Blocks data_blocks, ConstByteSpan salt);

    // The hash of the next data block; exactly `data_blocks` of them in all.
    Result<void> add(const Digest& digest);
    // Pads and writes what is unfinished; the root hash.
    Result<Digest> finish();

  private:
    struct Level {
        std::array<std::byte, format::hash_block_size> block{};
        std::size_t used = 0;       // bytes of `block`
        std::uint64_t written = 0;  // whole blocks
    };
    Result<void> write_block(unsigned level);

    OutputFile& file_;
    format::HashTreeShape shape_;
    codec::SaltedSha256 hash_;
    std::vector<Level> levels_;
    Digest root_{};
};

}  // namespace regild::publish
