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

// From as many threads at once as there are.
class FrameVerifiers {
  public:
    // The manifest must outlive it.
    explicit FrameVerifiers(const format::Manifest& manifest) : manifest_(manifest) {}

    // Failure::source names the first block of the step whose frame is not that block's.
    Result<void> verify(const Batch& batch, const Step& step, ConstByteSpan frames);
    // Whether, since this was last asked, frames of some step were wrong and no right ones came afterwards.
    bool take_found_wrong();

  private:
    std::unique_ptr<store::FrameVerifier> take_idle();

    const format::Manifest& manifest_;
    std::mutex mutex_;  // guards what follows
    std::vector<std::unique_ptr<store::FrameVerifier>> idle_;
    std::set<BlockIndex> wrong_;  // first blocks of steps
};

// Puts the frames of the step, which were verified, into the cache.
void keep(const Batch& batch, const Step& step, ConstByteSpan frames, store::Cache& cache);

}  // namespace regild::volume
