// SPDX-License-Identifier: GPL-2.0-or-later
// What has arrived for a fetch step of a plan: verified, and kept for the next time.
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "store/cache.hpp"
#include "store/frame_verifier.hpp"
#include "volume/plan.hpp"

namespace regild::volume {

// In all of these `frames` is the memory of the batch.

// Where verified blocks may go at once.
class BlockSink {
  public:
    virtual ~BlockSink() = default;
    // From as many threads at once as there are; `content` is whole blocks in memory of an AlignedBuffer.
    virtual Result<void> write(BlockRange blocks, ConstByteSpan content) = 0;
};

// From as many threads at once as there are.
class FrameVerifiers {
  public:
    // The manifest must outlive it.
    explicit FrameVerifiers(const format::Manifest& manifest) : manifest_(manifest) {}

    // Failure::source names the first block of the step whose frame is not that block's. What is right goes
    // to the sink, if there is one, also of a step of which not all is; another failure is the sink's.
    Result<void> verify(const Batch& batch, const Step& step, ConstByteSpan frames,
                        BlockSink* sink = nullptr);
    // Whether, since this was last asked, frames of some step were wrong and no right ones came afterwards.
    bool take_found_wrong();

  private:
    struct Hand {
        explicit Hand(const format::Manifest& manifest) : is_right(manifest) {}
        store::FrameVerifier is_right;
        block::AlignedBuffer blocks;  // for a sink
    };
    Result<void> verify(const Batch& batch, const Step& step, ConstByteSpan frames, BlockSink* sink,
                        Hand& hand);
    std::unique_ptr<Hand> take_idle();

    const format::Manifest& manifest_;
    std::mutex mutex_;  // guards what follows
    std::vector<std::unique_ptr<Hand>> idle_;
    std::set<BlockIndex> wrong_;  // first blocks of steps
};

// Puts the frames of the step, which were verified, into the cache.
void keep(const Batch& batch, const Step& step, ConstByteSpan frames, store::Cache& cache);

}  // namespace regild::volume
