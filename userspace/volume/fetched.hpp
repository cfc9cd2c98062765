// SPDX-License-Identifier: GPL-2.0-or-later
// What a request brings for the fetch steps of a batch: verified, taken over, and kept for the next time.
#pragma once

#include <memory>
#include <mutex>
#include <set>

#include "net/fetcher.hpp"
#include "store/cache.hpp"
#include "store/frame_verifier.hpp"
#include "volume/plan.hpp"

namespace regild::volume {

// A batch in memory, compressed as it came.
struct LoadedBatch {
    // `verified`: its request has not arrived yet, and may be asked for again.
    enum class State : std::uint8_t { missing, verified, ready, applied };

    Batch batch;
    std::vector<State> states;  // of each step
    std::size_t missing = 0;    // steps; of who loads alone
    ByteVector frames;          // of all steps that have some
    ConstByteSpan frames_of(const Step& step) const {
        return ConstByteSpan(frames).subspan(step.place.count(), step.frames.length.count());
    }
};

// How a request is called among those for several batches.
struct RequestNumber {
    std::size_t batch = 0;
    std::size_t request = 0;  // the step with which it begins

    static constexpr unsigned step_bits = 16;
    explicit RequestNumber(std::size_t number)
        : batch(number >> step_bits), request(number & ((std::size_t{1} << step_bits) - 1)) {}
    RequestNumber(std::size_t in, std::size_t step) : batch(in), request(step) {}
    std::size_t value() const { return batch << step_bits | request; }
};

// What the request asks for, and where in memory it goes.
net::Range to_fetch(LoadedBatch& batch, RequestNumber number);

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

    // The steps that the request brings are `verified` where all their frames are right. Failure::source:
    // none is; it names the first block of a step whose frame is not that block's. What is right goes to the
    // sink, if there is one, also of a step of which not all is; another failure is the sink's.
    Result<void> verify(LoadedBatch& batch, std::size_t request, BlockSink* sink = nullptr);
    // Whether, since this was last asked, frames of some step were wrong and no right ones came afterwards.
    bool take_found_wrong();

  private:
    struct Hand {
        explicit Hand(const format::Manifest& manifest) : is_right(manifest) {}
        store::FrameVerifier is_right;
        block::AlignedBuffer blocks;  // for a sink
    };
    Result<void> verify(const Step& step, const LoadedBatch& from, BlockSink* sink);
    Result<void> verify(const Step& step, const LoadedBatch& from, BlockSink* sink, Hand& hand);
    std::unique_ptr<Hand> take_idle();

    const format::Manifest& manifest_;
    std::mutex mutex_;  // guards what follows
    std::vector<std::unique_ptr<Hand>> idle_;
    std::set<BlockIndex> wrong_;  // first blocks of steps
};

// Of a request that has arrived: the steps that were verified are ready, and the others missing. It is taken
// apart: each step is a request of its own from now on, so that those are asked for without what is right.
struct Arrival {
    std::vector<std::size_t> ready;
    std::vector<std::size_t> missing;
};
Arrival take_apart(LoadedBatch& batch, std::size_t request);

// Puts the frames of the step, which were verified, into the cache.
void keep(const Step& step, const LoadedBatch& from, store::Cache& cache);

}  // namespace regild::volume
