// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be done with the marked blocks, in which order. Pure: marks and the image's content in, steps
// out.
#pragma once

#include <functional>
#include <vector>

#include "base/block_set.hpp"
#include "base/bytes.hpp"
#include "format/frame_index.hpp"

namespace regild::volume {

struct Step {
    enum class Kind {
        fetch,   // get these blocks with one request, verify and write them
        cached,  // their frames are in memory, from the cache, and verified: write them
        copied,  // the same from a golden copy
        zero,    // zero in the image: known without a request
    };
    Kind kind = Kind::fetch;
    BlockRange blocks;
    // Of a step with frames: how many blocks with frames of its batch stand before its first one. There they
    // are in Batch::framed.
    Blocks slot;
    format::Frame frames;  // of all its blocks, one behind the other: of a fetch step in image.zst
    Bytes place;           // of the frames in the memory of the batch
    bool operator==(const Step&) const = default;
};

struct FramedBlock {
    Digest digest{};
    Bytes frame_length;
};

// Steps in ascending order, and their blocks that have frames by slot.
struct Batch {
    std::vector<Step> steps;
    std::vector<FramedBlock> framed;
    Bytes size;              // of all frames
    std::size_t sealed = 0;  // so many steps are being carried out: no frame is added to them
};

struct BatchLimits {
    Bytes request;           // the frames of one fetch step. One frame may be longer
    Bytes size;              // all frames together; no frame is longer
    std::size_t framed = 0;  // blocks; so that what is kept beside the frames stays small:
    std::size_t steps = 0;
};

// What a block is in the image.
struct BlockContent {
    Step::Kind kind = Step::Kind::zero;
    Digest digest{};
    format::Frame frame;  // of a block of zeros none
};

// Adds the members of `marks` within `within` to `batch`, exactly those and in ascending order, until a limit
// is reached or `content_of` knows no more: neighbours become one step. Returns the block from which on
// nothing is planned yet; it is within.end() when everything is. `within` begins behind the blocks that the
// batch already holds.
BlockIndex extend(Batch& batch, const BlockSet& marks, BlockRange within, const BatchLimits& limits,
                  const std::function<std::optional<BlockContent>(BlockIndex)>& content_of);

}  // namespace regild::volume
