// SPDX-License-Identifier: GPL-2.0-or-later
// Loading: the marked blocks are planned and brought to memory, each verified (invariant 4), as fast as
// somebody makes room for the next ones. Memory is a number of slots, each for one batch.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>

#include "base/progress.hpp"
#include "log/bitmap.hpp"
#include "store/frame_locator.hpp"
#include "store/nearby.hpp"
#include "store/tree_reader.hpp"
#include "volume/fetched.hpp"
#include "volume/plan.hpp"

namespace regild::volume {

class WriteThrough : public BlockSink {
  public:
    // All of these are written; on the thread that loads.
    virtual void written(BlockRange blocks) = 0;
};

// Goes once through the marks as they were when it came to them. Marks of blocks that it has planned may be
// cleared by another thread meanwhile.
class Loader final : net::Ranges {
  public:
    // All must outlive it.
    Loader(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
           store::Nearby& nearby, store::TreeReader& tree, FrameVerifiers& verifiers, Progress& progress);

    // From the next load() on what is fetched goes there as soon as it is verified, and is told to it when it
    // has arrived whole: it needs not be decompressed once more.
    void write_through(WriteThrough& sink) { sink_ = &sink; }

    // Goes on until all marked blocks are in memory or have been, or there is no room; then every batch in
    // memory is whole, but for the last one planned if there is room. On an error what has arrived stays, and
    // the next call asks for the rest.
    Result<void> load();
    // After a load() without an error: whether there is nothing left to load.
    bool has_all() const { return planned_until_ == end_; }
    // The same for the blocks before this one.
    BlockIndex loaded_until() const { return planned_until_; }

    // The side of who applies, which may be another thread.
    // A whole batch to apply, for which it waits; nothing once close() was called and there is none.
    LoadedBatch* wait_for_whole();
    // It has been applied: there is room for another one.
    void release(LoadedBatch* batch);
    // Nobody waits any more, neither for a whole batch nor for room.
    void close();

    // Waits until a batch has been released; false once close() was called.
    bool wait_for_room();
    // After close(): batches of which something is in memory and not all, and those of which something is
    // left to apply.
    std::vector<LoadedBatch*> rest();
    // After close(): to go on.
    void reopen();

  private:
    static constexpr std::size_t slots = 16;

    // Plans until there is something to ask for. False: it lacks room, or what prepare() brings, or has
    // planned all.
    bool plan();
    bool lacks_digests() const;
    Result<void> prepare();
    void read_marks();
    Result<void> find_frames();
    LoadedBatch* open_batch();
    void close_batch();
    // Nothing for a block that was to be nearby and is not.
    std::optional<BlockContent> content_of(BlockIndex block);
    bool take_nearby(BlockIndex block, BlockContent& content);
    void ask_for_missing();

    // The ranges that are fetched: each is of one or several fetch steps of a batch.
    std::optional<net::Range> next() override;
    Result<void> verify(std::size_t number) override;
    Result<void> arrived(std::size_t number) override;
    void moved(Bytes bytes) override;
    Bytes blocks_of(const LoadedBatch& batch, std::span<const std::size_t> steps) const;
    void show_progress();

    const log::Bitmap& bitmap_;
    const store::Source& source_;
    net::Fetcher& fetcher_;
    store::Nearby& nearby_;
    store::TreeReader& tree_;
    store::FrameLocator frames_;
    FrameVerifiers& verifiers_;
    WriteThrough* sink_ = nullptr;
    Progress& progress_;
    const BlockIndex end_;
    BlockSet marks_;  // of the pieces that are being planned, before any of it was cleared
    BlockIndex planned_until_;
    BlockIndex tree_loaded_until_;
    BlockIndex frames_known_until_;
    store::Nearby::Part looked_;  // for what is nearby: so far, and its last part
    BlockSet located_;            // blocks that `frames_` was asked for
    bool unlocated_ = false;      // planning stopped at a block that it should be asked for as well
    bool promises_kept_ = true;   // what was said to be nearby was, in this part of the tree

    std::array<LoadedBatch, slots> batches_;
    LoadedBatch* open_ = nullptr;         // is being planned
    std::deque<RequestNumber> requests_;  // planned, and not asked for in this fetch
    struct {
        Bytes ranges;
        Bytes blocks;
    } asked_;         // for, and not arrived
    Bytes moved_;     // of `asked_.ranges`
    Bytes settled_;   // of blocks that have arrived
    Bytes reported_;  // to `progress_`

    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    std::vector<LoadedBatch*> free_;
    std::deque<LoadedBatch*> whole_;
    bool closed_ = false;
};

}  // namespace regild::volume
