// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/fill.hpp"

#include "base/progress.hpp"
#include "store/frame_locator.hpp"
#include "store/tree_reader.hpp"
#include "volume/fetched.hpp"
#include "volume/next_index.hpp"

namespace regild::volume {
namespace {

// Blocks that are looked at together.
constexpr Blocks piece{1 << 20};
constexpr unsigned most_passes = 7;

class Filling {
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
        for (const BlockRange& run : runs_of(wanted, range)) {
            for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1)) {
                if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
                const Digest digest = tree_->digest(block);
                if (digest == tree_->zero_digest()) continue;
                report_.wanted += Blocks(1);
                if (!is_there(block, digest)) missing.insert({block, Blocks(1)});
            }
        }
        progress_->add(source_.manifest.block_size.bytes_of(wanted.count(range) - missing.count()));
        if (Result<void> found = frames_->load(missing); !found) return found;
        const auto content_of = [&](BlockIndex block) {
            return BlockContent{Step::Kind::fetch, tree_->digest(block), frames_->frame(block)};
        };
        for (BlockIndex at = range.first; at < range.end() && !full_;) {
            Batch batch;
            at = extend(batch, missing, {at, range.end() - at}, {KiB(257), wanted_.at_once, 8192, 8192},
                        content_of);
            Result<void> fetched = fetch(batch);
            cache_.finish();
            if (cache_.error()) return *cache_.error();
            if (!fetched) return fetched;
            full_ = kept_.count() > cache_.geometry().ring_length().count() / 10 * 9;
        }
        return {};
    }

    // The table of a cache promises more than it keeps: it is read.
    bool is_there(BlockIndex block, const Digest& digest) {
        const std::optional<store::Nearby::Found> found = nearby_.take(block, digest);
        if (!found) return false;
        if (found->place != store::Nearby::Place::cache) return true;
        if (renew_ && cache_.is_old(digest)) {
            cache_.forget(digest);
            cache_.put(digest, found->frame);
        }
        kept_ += Bytes(found->frame.size());
        return true;
    }

    Result<void> fetch(const Batch& batch) {
        if (batch.steps.empty()) return {};
        if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
        LoadedBatch loaded{batch, std::vector<LoadedBatch::State>(batch.steps.size()), 0,
                           ByteVector(batch.size.count())};
        std::vector<net::Range> ranges;
        for (std::size_t i = 0; i < batch.steps.size(); ++i)
            ranges.push_back(to_fetch(loaded, {0, i}));
        const auto arrived = [&](std::size_t number) -> Result<void> {
            const Step& step = batch.steps[number];
            if (Result<void> verified = verifiers_.verify(loaded, number); !verified) return verified;
            keep(step, loaded, cache_);
            kept_ += step.frames.length;
            report_.fetched += step.blocks.count;
            progress_->add(source_.manifest.block_size.bytes_of(step.blocks.count));
            return {};
        };
        return fetcher_.get_ranges(source_.data_url, ranges, arrived, [](Bytes) {});
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
    Bytes kept_;  // chunks of this version in the cache
    bool full_ = false;
    bool renew_ = false;  // what is old, lest what is fetched takes its place
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
    store::Nearby nearby(source.manifest, {.cache = &cache});
    FrameVerifiers verifiers(source.manifest);
    Filling filling(whole, source, fetcher, nearby, verifiers, observer, stop);
    Result<FillReport> filled = filling.run();
    while (!filled &&
           has_next_index({filled.error(), verifiers.take_found_wrong()}, source, fetcher, observer)) {
        filling.forget_frames();
        filled = filling.run();
    }
    cache.finish();
    return filled;
}

}  // namespace regild::volume
