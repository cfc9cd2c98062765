// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/fetched.hpp"

namespace regild::volume {
namespace {

constexpr Bytes sink_size = MiB(1);

// Calls `take(block, digest, frame)` for each block of the step until it returns false.
template <class Take>
void for_each_block(const Step& step, const LoadedBatch& from, Take take) {
    ConstByteSpan frames = from.frames_of(step);
    for (std::uint64_t n = 0; n < step.blocks.count.count(); ++n) {
        const FramedBlock& wanted = from.batch.framed[step.slot.count() + n];
        const std::size_t length = wanted.frame_length.count();
        if (!take(step.blocks.first + Blocks(n), wanted.digest, frames.first(length))) return;
        frames = frames.subspan(length);
    }
}

}  // namespace

net::Range to_fetch(LoadedBatch& batch, RequestNumber number) {
    const format::Frame range = range_of(batch.batch, number.request);
    const Bytes place = batch.batch.steps[number.request].place;
    return {range.offset, ByteSpan(batch.frames).subspan(place.count(), range.length.count()),
            number.value()};
}

Result<void> FrameVerifiers::verify(LoadedBatch& batch, std::size_t request, BlockSink* sink) {
    bool any = false;
    std::optional<Error> wrong;
    for (const std::size_t i : steps_of(batch.batch, request)) {
        Result<void> verified = verify(batch.batch.steps[i], batch, sink);
        if (!verified && verified.error().kind != Failure::source) return verified;
        batch.states[i] = verified ? LoadedBatch::State::verified : LoadedBatch::State::missing;
        if (verified)
            any = true;
        else if (!wrong)
            wrong = verified.error();
    }
    return any ? Result<void>() : *wrong;
}

Result<void> FrameVerifiers::verify(const Step& step, const LoadedBatch& from, BlockSink* sink) {
    std::unique_ptr<Hand> hand = take_idle();
    Result<void> verified = verify(step, from, sink, *hand);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(hand));
    if (verified)
        wrong_.erase(step.blocks.first);
    else if (verified.error().kind == Failure::source)
        wrong_.insert(step.blocks.first);
    return verified;
}

Result<void> FrameVerifiers::verify(const Step& step, const LoadedBatch& from, BlockSink* sink, Hand& hand) {
    const std::size_t block_bytes = manifest_.block_size.bytes().count();
    if (sink && hand.blocks.size() == 0) hand.blocks = block::AlignedBuffer(sink_size.count());
    BlockRange held{step.blocks.first, Blocks(0)};  // verified, and not in the sink yet
    Result<void> verified;
    const auto empty = [&] {
        if (sink && held.count > Blocks(0))
            verified = sink->write(held, hand.blocks.span(0, held.count.count() * block_bytes));
        held = {held.end(), Blocks(0)};
        return verified.ok();
    };
    for_each_block(step, from, [&](BlockIndex block, const Digest& digest, ConstByteSpan frame) {
        const bool is_right =
            sink ? hand.is_right(frame, digest,
                                 hand.blocks.span(held.count.count() * block_bytes, block_bytes))
                 : hand.is_right(frame, digest);
        if (!is_right) {
            if (empty())
                verified =
                    Error{Failure::source,
                          "block " + std::to_string(block.value()) +
                              " does not match the hash tree: check the server and the caches before it"};
            return false;
        }
        held.count += Blocks(1);
        return held.count.count() * block_bytes < sink_size.count() || empty();
    });
    if (verified) empty();
    return verified;
}

std::unique_ptr<FrameVerifiers::Hand> FrameVerifiers::take_idle() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<Hand>(manifest_);
    std::unique_ptr<Hand> taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
}

bool FrameVerifiers::take_found_wrong() {
    const std::lock_guard lock(mutex_);
    return !std::exchange(wrong_, {}).empty();
}

Arrival take_apart(LoadedBatch& batch, std::size_t request) {
    Arrival arrival;
    for (const std::size_t i : steps_of(batch.batch, request)) {
        if (batch.states[i] == LoadedBatch::State::verified) {
            batch.states[i] = LoadedBatch::State::ready;
            arrival.ready.push_back(i);
        } else {
            arrival.missing.push_back(i);
        }
        // Threads that verify other requests look at the first step behind their own.
        if (i != request) batch.batch.steps[i].request = i;
    }
    return arrival;
}

void keep(const Step& step, const LoadedBatch& from, store::Cache& cache) {
    for_each_block(step, from, [&](BlockIndex, const Digest& digest, ConstByteSpan frame) {
        cache.put(digest, frame);
        return true;
    });
}

}  // namespace regild::volume
