// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be done with the marked blocks, in which order. Pure: marks and digests in, steps out.
#pragma once

#include <functional>
#include <vector>

#include "base/block_set.hpp"
#include "base/bytes.hpp"

namespace regild::volume {

struct Step {
    enum class Kind {
        fetch,  // get these blocks with one request, verify and write them
        zero,   // zero in the image: known without a request
    };
    Kind kind = Kind::fetch;
    BlockRange blocks;
    // Of a fetch step: how many fetched blocks of its batch stand before its first one. There its digests
    // are, and in units of a block its content in memory.
    Blocks slot;
    bool operator==(const Step&) const = default;
};

// Steps in ascending order, and the digests of their fetched blocks by slot.
struct Batch {
    std::vector<Step> steps;
    std::vector<Digest> digests;
    Blocks fetched() const { return Blocks(digests.size()); }
};

struct BatchLimits {
    Blocks request;         // one fetch step: one request
    Blocks fetched;         // all fetch steps together: the memory that the batch needs
    std::size_t steps = 0;  // so that the steps themselves stay small
};

// Adds the members of `marks` within `within` to `batch`, exactly those and in ascending order, until a limit
// is reached: neighbours become one step. Returns the block from which on nothing is planned yet; it is
// within.end() when everything is. `within` begins behind the blocks that the batch already holds.
BlockIndex extend(Batch& batch, const BlockSet& marks, BlockRange within, const BatchLimits& limits,
                  const Digest& zero_digest, const std::function<Digest(BlockIndex)>& digest_of);

}  // namespace regild::volume
