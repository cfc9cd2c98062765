// SPDX-License-Identifier: GPL-2.0-or-later
// A set of blocks as a bitmap: which blocks are marked.
#pragma once

#include <optional>
#include <vector>

#include "base/units.hpp"

namespace regild {

// Holds blocks 0 to size() - 1; one bit each. Arguments outside are a programmer's error (assert).
class BlockSet {
  public:
    BlockSet() = default;
    explicit BlockSet(Blocks size, bool all = false);

    Blocks size() const { return size_; }
    Blocks count() const;
    bool empty() const { return count().count() == 0; }
    bool test(BlockIndex block) const;
    void insert(BlockRange range);
    void erase(BlockRange range);
    // The first run of members at or after `from`, at most `limit` long.
    std::optional<BlockRange> next_run(BlockIndex from, Blocks limit = Blocks(UINT64_MAX)) const;
    bool operator==(const BlockSet&) const = default;

  private:
    Blocks size_;
    std::vector<std::uint64_t> words_;
};

}  // namespace regild
