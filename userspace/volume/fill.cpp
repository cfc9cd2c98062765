// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/fill.hpp"

#include <algorithm>
#include <array>
#include <deque>

#include "base/progress.hpp"
#include "store/cached_blocks.hpp"
#include "store/frame_locator.hpp"
#include "store/tree_reader.hpp"
#include "volume/fetched.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/next_index.hpp"

namespace regild::volume {
namespace {

// Blocks that are looked at together.
constexpr Blocks piece{1 << 20};
constexpr unsigned most_passes = 7;
// Memory: while one is verified others come.
constexpr std::size_t slots = 4;
// With room for the few bytes by which frames are longer than blocks that do not compress.
constexpr Bytes longer{KiB(4)};

// Of the ring: what is put besides, such as hash blocks, must not take the place of what is kept.
Bytes room_in(const store::Cache& cache) {
    return Bytes(cache.geometry().ring_length().count() / 10 * 9);
}

// Before its first request it finds out whether the cache has room for the whole version.
class RoomFirst final : public net::Fetcher {
  public:
    RoomFirst(const store::Source& source, net::Fetcher& fetcher, Bytes room)
        : source_(source),
          fetcher_(fetcher),
          room_(room),
          has_room_(store::longest_frames(source.manifest) <= room) {}

    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        return fetcher_.get(url, limit);
    }
    using net::Fetcher::get_ranges;
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (Result<void> found = find_room(); !found) return found;
        return fetcher_.get_ranges(url, ranges);
    }
    bool refute(const net::Url& url) override { return fetcher_.refute(url); }
    net::Totals totals() const override { return fetcher_.totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_.allow(most); }

  private:
    Result<void> find_room() {
        if (has_room_) return {};
        const Result<Bytes> length = store::frames_length(source_, fetcher_);
        if (!length) return length.error();
        if (*length > room_)
            return Error{Failure::refused,
                         "image.zst of version " + std::to_string(source_.manifest.version) + ", " +
                             format_size(*length) + ", does not fit the cache, of which " +
                             format_size(room_) +
                             " can be filled: nothing is fetched, such a cache keeps what restores fetch"};
        has_room_ = true;
        return {};
    }

    const store::Source& source_;
    net::Fetcher& fetcher_;
    const Bytes room_;
    bool has_room_;
};

class Filling final : net::Ranges {
  public:
    Filling(const Wanted& wanted, const store::Source& source, net::Fetcher& fetcher, store::Nearby& nearby,
            FrameVerifiers& verifiers, Observer& observer, const StopFlag& stop)
        : wanted_(wanted),
          source_(source),
          fetcher_(fetcher),
          nearby_(nearby),
          cache_(*nearby.cache()),
          observer_(observer),
          stop_(stop),
          frames_(std::in_place, source, fetcher),
          verifiers_(verifiers) {}

    // What is put into the ring may take the place of what a pass has found. So it has all when one pass
    // found all and put nothing.
    Result<FillReport> run() {
        for (unsigned pass = 0; pass < most_passes && !full_ && !report_.whole; ++pass) {
            const Bytes before = cache_.all_written();
            renew_ = pass % 2 == 1;
            if (Result<void> passed = run_once(); !passed) return passed.error();
            report_.whole = !full_ && cache_.all_written() == before;
        }
        return report_;
    }
    void forget_frames() { frames_.emplace(source_, fetcher_); }

  private:
    Result<void> run_once() {
        report_.wanted = Blocks(0);
        kept_ = Bytes(0);
        Progress progress(observer_, "filling the cache",
                          source_.manifest.block_size.bytes_of(wanted_.count));
        progress_ = &progress;
        tree_.emplace(source_, fetcher_, &cache_);
        const BlockIndex end = BlockIndex() + source_.manifest.blocks();
        for (BlockIndex at = wanted_.first; at < end && !full_;) {
            const BlockSet wanted = wanted_.from(at);
            const Result<BlockIndex> until = tree_->load(wanted, at);
            if (!until) return until.error();
            if (Result<void> filled = fill(wanted, {at, *until - at}); !filled) return filled;
            at = *until;
        }
        return {};
    }

    Result<void> fill(const BlockSet& wanted, BlockRange range) {
        BlockSet missing(range);
        for (BlockIndex at = range.first; at < range.end();) {
            if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
            const store::Nearby::Part part = nearby_.take_some(*tree_, wanted, {at, range.end() - at});
            report_.wanted += Blocks(part.blocks.size());
            for (const store::Nearby::Wanted& block : part.blocks)
                if (!is_there(block)) missing.insert({block.block, Blocks(1)});
            at = part.end;
        }
        progress_->add(source_.manifest.block_size.bytes_of(wanted.count(range) - missing.count()));
        if (Result<void> found = frames_->load(missing); !found) return found;
        Result<void> fetched = fetch(std::move(missing));
        cache_.finish();
        if (cache_.error()) return *cache_.error();
        full_ = fetched.ok() && is_full();
        return fetched;
    }

    bool is_full() const {
        const Bytes stays = kept_ + cache_.renewable();
        return stays > room_in(cache_);
    }

    // The table of a cache promises more than it keeps: it was read. Of what was read together some may have
    // been renewed, or kept of a copy, in the place of other.
    bool is_there(const store::Nearby::Wanted& block) {
        if (!block.found) return false;
        if (block.found->kind != &store::cached_blocks) {
            if (!wanted_.keeps_copy) return true;
            if (is_full()) return false;
            cache_.put(block.digest, block.found->frame);
        } else if (renew_ && (cache_.is_old(block.digest) || !cache_.has(block.digest))) {
            cache_.forget(block.digest);
            cache_.put(block.digest, block.found->frame);
        }
        kept_ += Bytes(block.found->frame.size());
        return true;
    }

    Result<void> fetch(BlockSet missing) {
        if (missing.empty()) return {};
        if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
        if (report_.fetched == Blocks(0)) cache_.renew_all();
        missing_ = std::move(missing);
        planned_until_ = missing_.range().first;
        requests_.clear();
        free_.clear();
        for (std::size_t slot = 0; slot < slots; ++slot)
            free_.push_back(slot);
        return fetcher_.get_ranges(source_.data_url, *this);
    }

    // A batch of what is missing, if there is room for one in memory and in the cache.
    bool plan() {
        const BlockIndex end = missing_.range().end();
        if (planned_until_ == end || free_.empty() || is_full()) return false;
        const std::size_t slot = free_.front();
        free_.pop_front();
        LoadedBatch& in = batches_[slot];
        const BatchLimits limits{.request = KiB(257),
                                 .size = Bytes(wanted_.at_once.count() / slots) + longer,
                                 .framed = 2048,
                                 .steps = 2048,
                                 .gap = net::request_overhead};
        in.batch = {};
        planned_until_ =
            extend(in.batch, missing_, {planned_until_, end - planned_until_}, limits, [&](BlockIndex block) {
                return BlockContent{Step::Kind::fetch, tree_->digest(block), frames_->frame(block)};
            });
        in.missing = in.batch.steps.size();
        in.states.assign(in.missing, LoadedBatch::State::missing);
        in.frames.resize(in.batch.size.count());
        for (std::size_t i = 0; i < in.missing; ++i) {
            kept_ += in.batch.steps[i].frames.length;
            if (in.batch.steps[i].request == i) requests_.emplace_back(slot, i);
        }
        return true;
    }

    std::optional<net::Range> next() override {
        while (requests_.empty())
            if (!plan()) return std::nullopt;
        const RequestNumber number = requests_.front();
        requests_.pop_front();
        return to_fetch(batches_[number.batch], number);
    }

    Result<void> verify(std::size_t number) override {
        const RequestNumber which(number);
        return verifiers_.verify(batches_[which.batch], which.request);
    }

    // What waits in memory alone is no more than a few batches: a process that is killed has lost little.
    Result<void> arrived(std::size_t number) override {
        const RequestNumber which(number);
        LoadedBatch& in = batches_[which.batch];
        const Arrival arrival = take_apart(in, which.request);
        for (const std::size_t i : arrival.ready) {
            const Step& step = in.batch.steps[i];
            keep(step, in, cache_);
            unfinished_ += step.frames.length;
            report_.fetched += step.blocks.count;
            progress_->add(source_.manifest.block_size.bytes_of(step.blocks.count));
        }
        for (const std::size_t i : arrival.missing)
            requests_.emplace_back(which.batch, i);
        in.missing -= arrival.ready.size();
        if (in.missing == 0) free_.push_back(which.batch);
        if (unfinished_ >= wanted_.at_once) {
            cache_.finish();
            unfinished_ = Bytes(0);
        }
        return cache_.error() ? Result<void>(*cache_.error()) : Result<void>();
    }

    const Wanted& wanted_;
    const store::Source& source_;
    net::Fetcher& fetcher_;
    store::Nearby& nearby_;
    store::Cache& cache_;
    Observer& observer_;
    const StopFlag& stop_;
    std::optional<store::TreeReader> tree_;      // anew in each pass: the cache must have it as well
    std::optional<store::FrameLocator> frames_;  // anew when the index is wrong
    FrameVerifiers& verifiers_;
    Progress* progress_ = nullptr;  // of this pass
    FillReport report_;
    Bytes kept_;        // chunks of this version that are in the cache or to be
    Bytes unfinished_;  // of them, put there since it was last finished
    bool full_ = false;
    bool renew_ = false;  // what is old, lest what is fetched takes its place

    BlockSet missing_;  // what is being fetched
    BlockIndex planned_until_;
    std::array<LoadedBatch, slots> batches_;
    std::deque<std::size_t> free_;        // slots
    std::deque<RequestNumber> requests_;  // planned, and not asked for
};

}  // namespace

Result<FillReport> fill_cache(const Wanted& wanted, const store::Source& source, net::Fetcher& fetcher,
                              store::Nearby& nearby, FrameVerifiers& verifiers, Observer& observer,
                              const StopFlag& stop) {
    Result<FillReport> filled = Filling(wanted, source, fetcher, nearby, verifiers, observer, stop).run();
    nearby.cache()->finish();
    return filled;
}

Result<FillReport> fill_cache(const store::Source& source, net::Fetcher& fetcher, store::Cache& cache,
                              Observer& observer, const StopFlag& stop) {
    const BlockIndex end = BlockIndex() + source.manifest.blocks();
    const auto all_from = [&](BlockIndex at) { return BlockSet({at, std::min(piece, end - at)}, true); };
    const Wanted whole{
        .first = BlockIndex(), .count = source.manifest.blocks(), .from = all_from, .at_once = MiB(4)};
    store::Nearby nearby = nearby_of(source.manifest, {.cache = &cache});
    FrameVerifiers verifiers(source.manifest);
    RoomFirst room_first(source, fetcher, room_in(cache));
    Filling filling(whole, source, room_first, nearby, verifiers, observer, stop);
    Result<FillReport> filled = filling.run();
    while (!filled &&
           has_next_index({filled.error(), verifiers.take_found_wrong()}, source, room_first, observer)) {
        filling.forget_frames();
        filled = filling.run();
    }
    cache.finish();
    return filled;
}

}  // namespace regild::volume
