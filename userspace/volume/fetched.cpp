// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/fetched.hpp"

namespace regild::volume {
namespace {

// Calls `take(block, digest, frame)` for each block of the step until it returns false.
template <class Take>
void for_each_block(const Batch& batch, const Step& step, ConstByteSpan frames, Take take) {
    std::size_t at = step.place.count();
    for (std::uint64_t n = 0; n < step.blocks.count.count(); ++n) {
        const FramedBlock& wanted = batch.framed[step.slot.count() + n];
        if (!take(step.blocks.first + Blocks(n), wanted.digest,
                  frames.subspan(at, wanted.frame_length.count())))
            return;
        at += wanted.frame_length.count();
    }
}

}  // namespace

Result<void> FrameVerifiers::verify(const Batch& batch, const Step& step, ConstByteSpan frames) {
    std::unique_ptr<store::FrameVerifier> is_right = take_idle();
    Result<void> verified;
    for_each_block(batch, step, frames, [&](BlockIndex block, const Digest& digest, ConstByteSpan frame) {
        if ((*is_right)(frame, digest)) return true;
        verified = Error{Failure::source,
                         "block " + std::to_string(block.value()) +
                             " does not match the hash tree: check the server and the caches before it"};
        return false;
    });
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(is_right));
    if (verified)
        wrong_.erase(step.blocks.first);
    else
        wrong_.insert(step.blocks.first);
    return verified;
}

std::unique_ptr<store::FrameVerifier> FrameVerifiers::take_idle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<store::FrameVerifier>(manifest_);
    std::unique_ptr<store::FrameVerifier> taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
}

bool FrameVerifiers::take_found_wrong() {
    const std::lock_guard lock(mutex_);
    return !std::exchange(wrong_, {}).empty();
}

void keep(const Batch& batch, const Step& step, ConstByteSpan frames, store::Cache& cache) {
    for_each_block(batch, step, frames, [&](BlockIndex, const Digest& digest, ConstByteSpan frame) {
        cache.put(digest, frame);
        return true;
    });
}

}  // namespace regild::volume
