// SPDX-License-Identifier: GPL-2.0-or-later
// What has arrived for a step of a plan: verified, and kept for the next time.
#pragma once

#include "store/frame_verifier.hpp"
#include "volume/plan.hpp"

namespace regild::volume {

// `frames` are those of a fetch step of `batch`, one behind the other. Each that is its block's goes into the
// cache, if there is one; Failure::source names the first block whose frame is not.
Result<void> verify_frames(const Batch& batch, const Step& step, ConstByteSpan frames,
                           store::FrameVerifier& verifier, store::Cache* cache);

}  // namespace regild::volume
