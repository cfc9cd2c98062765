// SPDX-License-Identifier: GPL-2.0-or-later
// Filling the cache with a whole version, so that no restore of it needs a network.
#pragma once

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "store/cache.hpp"
#include "store/source.hpp"

namespace regild::volume {

struct FillReport {
    Blocks wanted;       // blocks of the version that are not zero
    Blocks fetched;      // of them, now
    bool whole = false;  // the cache has them all, each was read and verified; else it is too small
};

// Fetches and verifies what the cache does not have, in the order of the image, until it has all or is nine
// tenths full. What has come is kept, whatever ends it: called again it goes on. Failure::disk: the cache.
Result<FillReport> fill_cache(const store::Source& source, net::Fetcher& fetcher, store::Cache& cache,
                              Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
