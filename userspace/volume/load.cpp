// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/load.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

// With room for the few bytes by which frames are longer than blocks that do not compress.
constexpr Bytes batch_size = MiB(16) + KiB(64);
constexpr Bytes request_size = KiB(257);
constexpr std::size_t max_framed = 32768;
constexpr std::size_t max_steps = 8192;

}  // namespace

Loader::Loader(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
               store::Cache* cache, store::TreeReader& tree, Progress& progress)
    : bitmap_(bitmap),
      source_(source),
      fetcher_(fetcher),
      cache_(cache),
      tree_(tree),
      frames_(source, fetcher),
      is_right_(source.manifest),
      progress_(progress),
      end_(BlockIndex() + source.manifest.blocks()) {}

Result<void> Loader::load(LoadedBatch& batch) {
    if (!batch.planned)
        if (Result<void> planned = plan(batch); !planned) return planned;
    batch.planned = true;
    return fetch(batch);
}

// Goes on with a batch whose planning was cut off: a restore that fits in two batches stays in two.
Result<void> Loader::plan(LoadedBatch& into) {
    constexpr BatchLimits limits{request_size, batch_size, max_framed, max_steps};
    while (planned_until_ < end_) {
        if (planned_until_ == marks_.range().end()) marks_ = bitmap_.read(planned_until_).marked;
        if (planned_until_ == tree_loaded_until_) {
            const Result<BlockIndex> until = tree_.load(marks_, planned_until_);
            if (!until) return until.error();
            tree_loaded_until_ = *until;
            promises_kept_ = true;
        }
        if (frames_known_until_ < tree_loaded_until_)
            if (Result<void> found = find_frames(); !found) return found;
        planned_until_ = extend(into.batch, marks_, {planned_until_, tree_loaded_until_ - planned_until_},
                                limits, [&](BlockIndex block) { return content_of(block, into); });
        for (std::size_t i = into.ready.size(); i < into.batch.steps.size(); ++i)
            into.ready.push_back(into.batch.steps[i].kind != Step::Kind::fetch);
        if (unlocated_) {
            unlocated_ = false;
            promises_kept_ = false;
            frames_known_until_ = planned_until_;
            continue;
        }
        if (planned_until_ < tree_loaded_until_) break;
    }
    return {};
}

// Of all blocks whose digests are known and which the cache does not have; once it has broken a promise, of
// all: to come back for each block would cost a request each.
Result<void> Loader::find_frames() {
    const BlockRange range{planned_until_, tree_loaded_until_ - planned_until_};
    located_ = BlockSet(range);
    for (const BlockRange& run : runs_of(marks_, range))
        for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1))
            if (const Digest digest = tree_.digest(block);
                digest != tree_.zero_digest() && !(cache_ && promises_kept_ && cache_->has(digest)))
                located_.insert({block, Blocks(1)});
    if (Result<void> loaded = frames_.load(located_); !loaded) return loaded;
    frames_known_until_ = tree_loaded_until_;
    return {};
}

std::optional<BlockContent> Loader::content_of(BlockIndex block, LoadedBatch& into) {
    BlockContent content{Step::Kind::zero, tree_.digest(block), {}};
    if (content.digest == tree_.zero_digest()) return content;
    if (cache_ && cache_->has(content.digest) && take_from_cache(into, content)) return content;
    if (located_.test(block)) {
        content.kind = Step::Kind::fetch;
        content.frame = frames_.frame(block);
        return content;
    }
    unlocated_ = true;
    return std::nullopt;
}

// Puts the frame behind those that the batch holds.
bool Loader::take_from_cache(LoadedBatch& into, BlockContent& content) {
    const std::optional<ByteVector> frame = is_right_.take(*cache_, content.digest);
    if (!frame) return false;
    cache_->put(content.digest, *frame);
    content.kind = Step::Kind::cached;
    content.frame = {into.batch.size, Bytes(frame->size())};
    into.frames.resize(into.batch.size.count());
    into.frames.insert(into.frames.end(), frame->begin(), frame->end());
    return true;
}

Result<void> Loader::fetch(LoadedBatch& into) {
    const BlockSize block_size = source_.manifest.block_size;
    std::vector<std::size_t> missing;  // steps
    std::vector<net::Range> ranges;
    Bytes missing_frames;
    Bytes missing_blocks;
    for (std::size_t i = 0; i < into.batch.steps.size(); ++i) {
        if (into.ready[i]) continue;
        if (into.frames.size() < into.batch.size.count()) into.frames.resize(into.batch.size.count());
        const Step& step = into.batch.steps[i];
        missing.push_back(i);
        ranges.push_back({step.frames.offset, into.frames_of(step)});
        missing_frames += step.frames.length;
        missing_blocks += block_size.bytes_of(step.blocks.count);
    }
    if (missing.empty()) return {};

    Bytes moved;     // of frames
    Bytes reported;  // of blocks, as if all frames were compressed alike
    Bytes whole;     // of blocks
    const auto arrived = [&](std::size_t number) -> Result<void> {
        const Step& step = into.batch.steps[missing[number]];
        const ConstByteSpan frames = ranges[number].into;
        if (Result<void> verified = verify_frames(into.batch, step, frames, is_right_, cache_); !verified)
            return verified;
        into.ready[missing[number]] = true;
        whole += block_size.bytes_of(step.blocks.count);
        return {};
    };
    Result<void> fetched = fetcher_.get_ranges(source_.data_url, ranges, arrived, [&](Bytes bytes) {
        moved += bytes;
        const Bytes now(moved.count() * missing_blocks.count() / missing_frames.count());  // under 2^60
        progress_.add(now - reported);
        reported = now;
    });
    if (!fetched) {
        progress_.take_back(reported);
        progress_.add(whole);
    }
    return fetched;
}

}  // namespace regild::volume
