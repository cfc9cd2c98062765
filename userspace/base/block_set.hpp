// SPDX-License-Identifier: GPL-2.0-or-later
// A set of blocks as a bitmap: which blocks are marked.
#pragma once

#include <optional>
#include <vector>

#include "base/units.hpp"

namespace regild {

// Holds blocks of range(); one bit each, in chunks that take memory once they have a member. Arguments
// outside are a programmer's error (assert).
class BlockSet {
  public:
    BlockSet() = default;
    explicit BlockSet(BlockRange range, bool all = false);
    // Of a whole volume: blocks 0 to size - 1.
    explicit BlockSet(Blocks size, bool all = false) : BlockSet({BlockIndex(0), size}, all) {}

    BlockRange range() const { return range_; }
    Blocks count() const { return count(range_); }
    Blocks count(BlockRange within) const;
    bool empty() const { return count() == Blocks(0); }
    bool test(BlockIndex block) const;
    void insert(BlockRange range);
    void erase(BlockRange range);
    // Takes in the members of a set that begins where this one ends.
    void append(const BlockSet& next);
    // The first run of members within `within`, and of it what lies there.
    std::optional<BlockRange> next_run(BlockRange within) const;
    bool operator==(const BlockSet& other) const;

  private:
    using Chunk = std::vector<std::uint64_t>;  // all words, or none if there is no member

    bool contains(BlockRange range) const;
    std::uint64_t find_bit(std::uint64_t from, std::uint64_t end, bool member) const;

    BlockRange range_;
    std::vector<Chunk> chunks_;
};

// The members of `set` within `within` that are not in `without`, which covers that range too.
BlockSet difference(const BlockSet& set, const BlockSet& without, BlockRange within);
// The members of `set` within `within`, neighbours together.
std::vector<BlockRange> runs_of(const BlockSet& set, BlockRange within);

}  // namespace regild
