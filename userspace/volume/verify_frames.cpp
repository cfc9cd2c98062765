// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/verify_frames.hpp"

namespace regild::volume {

Result<void> verify_frames(const Batch& batch, const Step& step, ConstByteSpan frames,
                           store::FrameVerifier& verifier, store::Cache* cache) {
    for (std::size_t i = 0; i < step.blocks.count.count(); ++i) {
        const FramedBlock& wanted = batch.framed[step.slot.count() + i];
        const ConstByteSpan frame = frames.first(wanted.frame_length.count());
        frames = frames.subspan(frame.size());
        if (!verifier(frame, wanted.digest))
            return Error{Failure::source,
                         "block " + std::to_string(step.blocks.first.value() + i) +
                             " does not match the hash tree: check the server and the caches before it"};
        if (cache) cache->put(wanted.digest, frame);
    }
    return {};
}

}  // namespace regild::volume
