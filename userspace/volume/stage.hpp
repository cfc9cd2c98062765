// SPDX-License-Identifier: GPL-2.0-or-later
// Staging: what the next version has otherwise is fetched into the cache while the volume is in use, so that
// the boot that installs it, and the one that may have to go back, need no network.
#pragma once

#include "base/stop.hpp"
#include "block/storage.hpp"
#include "volume/update.hpp"

namespace regild::volume {

struct StageReport {
    Blocks differing;       // all, where it cannot be told which
    Blocks fetched;         // of `next`, now
    bool whole = false;     // the cache has what differs of `next`
    bool way_back = false;  // and of `installed`
};

// Fetches into the cache, which there is, the blocks of `next` that are not the same in `installed`. Where
// the way back is wanted `disk` is given, which holds `installed`, and those of `installed` are put there,
// too: what the disk still has is not fetched. What has come is kept, whatever ends it: called again it goes
// on. Failure::disk: the cache.
Result<StageReport> stage(const store::Source& installed, const store::Source& next, block::Storage* disk,
                          const TreeSources& trees, const StopFlag& stop);

struct WayBack {
    store::Source to;
    BlockSet blocks;  // that differ
};
// The way back alone, before `next` is written over `installed` on this disk: the cache, which there is, has
// all of it, durably. Nothing: it has not, for whatever reason, which the observer is told.
// Failure::interrupted alone.
Result<std::optional<WayBack>> keep_way_back(const store::Source& installed, const store::Source& next,
                                             block::Storage& disk, const TreeSources& trees,
                                             const StopFlag& stop);
// When `next` has been written: tells the observer whether the cache has it still, which got what was fetched
// meanwhile.
void tell_of_way_back(const WayBack& way_back, const TreeSources& trees);

// What an update from `installed` to `next` would fetch, and a way back for which `disk` is given: frames of
// blocks that differ, but for what the cache, if there is one, and that disk have. Nothing but requests is
// made.
struct UpdateNeed {
    Blocks differing;
    bool all_unknown = false;  // it cannot be told how they differ, and `frames` is not known
    Bytes frames;              // compressed, of blocks that are not zero
};
Result<UpdateNeed> update_need(const store::Source& installed, const store::Source& next,
                               block::Storage* disk, const TreeSources& trees);

}  // namespace regild::volume
