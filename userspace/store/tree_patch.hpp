// SPDX-License-Identifier: GPL-2.0-or-later
// The root hash of an image of which some blocks became others: only what lies above those is hashed.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "store/tree_reader.hpp"

namespace regild::store {

// Holds one hash block a level.
class TreePatch {
  public:
    // `tree` is of the image as it was, and outlives it.
    TreePatch(const TreeReader& tree, const format::Manifest& manifest);

    // Ascending. `tree` has loaded what lies above this block.
    void set(BlockIndex block, const Digest& digest);
    // Once, after the last block.
    Digest root_hash();

  private:
    using HashBlock = std::array<std::byte, format::hash_block_size>;
    struct Open {
        std::uint64_t index = 0;
        HashBlock block;
    };
    void open(unsigned level, std::uint64_t index);
    void close(unsigned level);
    static void put(HashBlock& block, std::uint64_t child, const Digest& digest);

    const TreeReader& tree_;
    const Blocks data_blocks_;
    format::HashTreeShape shape_;
    codec::SaltedSha256 hash_;
    std::vector<std::optional<Open>> levels_;  // [0] holds digests of data blocks
    Digest root_;
};

}  // namespace regild::store
