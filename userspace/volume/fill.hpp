// SPDX-License-Identifier: GPL-2.0-or-later
// Filling the cache: with a whole version, so that no restore of it needs a network, or with some blocks of
// it.
#pragma once

#include <functional>

#include "base/block_set.hpp"
#include "base/observer.hpp"
#include "base/stop.hpp"
#include "store/nearby.hpp"
#include "store/source.hpp"
#include "volume/fetched.hpp"

namespace regild::volume {

// The blocks that the cache is to have, unless they are elsewhere nearby.
struct Wanted {
    BlockIndex first;  // none before it
    Blocks count;
    // Those in a range that begins at this block or before, and ends behind it.
    std::function<BlockSet(BlockIndex)> from;
    Bytes at_once;            // frames in memory
    bool keeps_copy = false;  // what a golden copy has is to be in the cache as well
};

struct FillReport {
    Blocks wanted;       // that are not zero
    Blocks fetched;      // of them, now
    bool whole = false;  // they are all nearby, each was read and verified; else the cache is too small
};

// Fetches into the cache, which there is, and verifies what is not nearby, in the order of the image, until
// all is or it is nine tenths full. What has come is kept, whatever ends it: called again it goes on.
// Failure::disk: the cache.
Result<FillReport> fill_cache(const Wanted& wanted, const store::Source& source, net::Fetcher& fetcher,
                              store::Nearby& nearby, FrameVerifiers& verifiers, Observer& observer,
                              const StopFlag& stop);
// With the whole version, in spite of a mirror whose index is wrong. Failure::refused: it does not fit, and
// the cache is as it was.
Result<FillReport> fill_cache(const store::Source& source, net::Fetcher& fetcher, store::Cache& cache,
                              Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
