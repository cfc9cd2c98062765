// SPDX-License-Identifier: GPL-2.0-or-later
// Reads the hash tree from the cache and the store: only the blocks above the wanted data blocks, each
// verified against the one above it, up to the root hash of the manifest (invariant 4).
#pragma once

#include <vector>

#include "base/block_set.hpp"
#include "codec/sha256.hpp"
#include "store/cache.hpp"
#include "store/source.hpp"
#include "store/spans.hpp"

namespace regild::store {

class TreeReader {
  public:
    // Hash blocks that are held of each level: 2 MiB a level, 4 GiB of data at 64 KiB blocks.
    static constexpr std::size_t max_held = 512;

    // All must outlive the reader. The cache, if there is one, is asked first and gets what is fetched.
    TreeReader(const Source& source, net::Fetcher& fetcher, Cache* cache = nullptr);

    // Reads what lies above the members of `wanted` from block `from` on, as many as fit in bounded memory.
    // Returns the block up to which digests are then known; what an earlier call read is forgotten. After an
    // error the next call asks for what has not arrived yet.
    Result<BlockIndex> load(const BlockSet& wanted, BlockIndex from);
    // What it takes at the most to read once more what the last load() has told of, with nothing held.
    Bytes length_anew() const;
    // Of a member of `wanted` in the range that load() covered. May be called from several threads.
    Digest digest(BlockIndex block) const;
    // For who goes down by himself: reads these hash blocks of a level, ascending and at most max_held, whose
    // parents were among those of the last call for the level above. Levels below are forgotten when they are
    // read anew.
    Result<void> load_level(unsigned level, const std::vector<std::uint64_t>& indices);
    // Of child `child` of the level: a data block for level 0, else a hash block of the level below. Its
    // parent was read last.
    Digest digest(unsigned level, std::uint64_t child) const { return digest_in(levels_[level], child); }
    // Of a block of zeros.
    const Digest& zero_digest() const { return zero_digests_[0]; }

  private:
    using HashBlock = std::array<std::byte, format::hash_block_size>;
    struct Level {
        std::vector<std::uint64_t> indices;  // of hash blocks, ascending
        std::vector<HashBlock> blocks;       // as many
        std::vector<bool> known;             // as many: verified; all of them once they have been loaded
    };

    Result<void> load_top();
    bool take_from_cache(const Digest& digest, HashBlock& into);
    Result<void> take(unsigned level, std::uint64_t index, ConstByteSpan block, HashBlock& into);
    Result<void> fetch(unsigned level, const std::vector<std::uint64_t>& missing, Level& into);
    Result<void> fetch_spans(unsigned level, const std::vector<Span>& spans,
                             const std::vector<std::uint64_t>& missing, Level& into);
    Digest expected(unsigned level, std::uint64_t index) const;
    static Digest digest_in(const Level& level, std::uint64_t child);

    const Source& source_;
    net::Fetcher& fetcher_;
    Cache* const cache_;
    format::HashTreeShape shape_;
    codec::SaltedSha256 hash_;
    bool top_tried_ = false;            // by load_top(), once
    std::vector<Level> levels_;         // [0] holds the data blocks' digests
    std::vector<Digest> zero_digests_;  // [0] of a zero data block, [n + 1] of a hash block full of [n]
};

}  // namespace regild::store
