// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be done with the marked blocks, in which order. Pure: marks and the image's content in, steps
// out.
#pragma once

#include <functional>
#include <vector>

#include "base/block_set.hpp"
#include "base/bytes.hpp"
#include "format/frame_index.hpp"

namespace regild::store {
struct NearbyKind;
}

namespace regild::volume {

struct Step {
    enum class Kind {
        fetch,   // get these blocks, verify and write them
        nearby,  // their frames are in memory, and verified: write them
        zero,    // zero in the image: known without a request
    };
    Kind kind = Kind::fetch;
    BlockRange blocks;
    // Of a step with frames: how many blocks with frames of its batch stand before its first one. There they
    // are in Batch::framed.
    Blocks slot;
    format::Frame frames;  // of all its blocks, one behind the other: of a fetch step in image.zst
    Bytes place;           // of the frames in the memory of the batch
    // Of a fetch step: the step with which the request begins that brings this one. Steps that one request
    // brings are as far apart in memory as in image.zst.
    std::size_t request = 0;
    const store::NearbyKind* from = nullptr;  // of a nearby step
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
    Bytes size;              // of all frames, with what lies between those of one request
    std::size_t sealed = 0;  // so many steps are being carried out: no frame is added to them
};

struct BatchLimits {
    Bytes request;           // what one request brings. One frame may be longer
    Bytes size;              // of the batch; no frame is longer
    std::size_t framed = 0;  // blocks; so that what is kept beside the frames stays small:
    std::size_t steps = 0;
    Bytes gap{};  // between the frames of two fetch steps that one request brings
};

// What a block is in the image.
struct BlockContent {
    Step::Kind kind = Step::Kind::zero;
    Digest digest{};
    format::Frame frame;                      // of a block of zeros none
    const store::NearbyKind* from = nullptr;  // of a nearby block
};

// Adds the members of `marks` within `within` to `batch`, exactly those and in ascending order, until a limit
// is reached or `content_of` knows no more: neighbours become one step, and fetch steps with little between
// their frames one request. Returns the block from which on nothing is planned yet; it is within.end() when
// everything is. `within` begins behind the blocks that the batch already holds.
BlockIndex extend(Batch& batch, const BlockSet& marks, BlockRange within, const BatchLimits& limits,
                  const std::function<std::optional<BlockContent>(BlockIndex)>& content_of);

// The steps that the request brings which begins with this one.
std::vector<std::size_t> steps_of(const Batch& batch, std::size_t request);
// What it asks for of image.zst.
format::Frame range_of(const Batch& batch, std::size_t request);

}  // namespace regild::volume
