// SPDX-License-Identifier: GPL-2.0-or-later
// Loading: the marked blocks, batch by batch, planned and brought to memory, each verified (invariant 4).
#pragma once

#include "base/progress.hpp"
#include "codec/zstd.hpp"
#include "log/bitmap.hpp"
#include "store/frame_locator.hpp"
#include "store/tree_reader.hpp"
#include "volume/verify_frames.hpp"

namespace regild::volume {

// A batch in memory, compressed as it came. What of it has arrived may be written, whatever becomes of the
// rest.
struct LoadedBatch {
    Batch batch;
    bool planned = false;     // to its end; until then nothing of it is fetched
    std::vector<bool> ready;  // of each step: it can be applied
    ByteVector frames;        // of all steps that have some
    bool empty() const { return batch.steps.empty(); }
    ByteSpan frames_of(const Step& step) {
        return ByteSpan(frames).subspan(step.place.count(), step.frames.length.count());
    }
};

// Goes once through the marks as they were when it came to them. Marks of blocks that it has planned may be
// cleared by another thread meanwhile.
class Loader {
  public:
    // All must outlive it.
    Loader(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher, store::Cache* cache,
           store::TreeReader& tree, Progress& progress);

    // Plans `batch` if it is not planned yet, which leaves it empty where no mark is left; fetches and
    // verifies what is missing of it. On an error what has arrived stays, and the next call asks for the
    // rest.
    Result<void> load(LoadedBatch& batch);

  private:
    Result<void> plan(LoadedBatch& into);
    Result<void> find_frames();
    // Nothing for a block that was to be in the cache and is not.
    std::optional<BlockContent> content_of(BlockIndex block, LoadedBatch& into);
    bool take_from_cache(LoadedBatch& into, BlockContent& content);
    Result<void> fetch(LoadedBatch& into);

    const log::Bitmap& bitmap_;
    const store::Source& source_;
    net::Fetcher& fetcher_;
    store::Cache* const cache_;
    store::TreeReader& tree_;
    store::FrameLocator frames_;
    store::FrameVerifier is_right_;
    Progress& progress_;
    const BlockIndex end_;
    BlockSet marks_;  // of the piece that is being planned, before any of it was cleared
    BlockIndex planned_until_;
    BlockIndex tree_loaded_until_;
    BlockIndex frames_known_until_;
    BlockSet located_;           // blocks that `frames_` was asked for
    bool unlocated_ = false;     // planning stopped at a block that it should be asked for as well
    bool promises_kept_ = true;  // what the cache said that it has it had, in this part of the tree
};

}  // namespace regild::volume
