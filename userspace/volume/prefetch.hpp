// SPDX-License-Identifier: GPL-2.0-or-later
// Before a restore writes what it cannot undo: all that it will need is seen to be here (invariant 9).
#pragma once

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "log/bitmap.hpp"
#include "store/nearby.hpp"
#include "store/source.hpp"
#include "volume/fetched.hpp"

namespace regild::volume {

// Goes through the marked blocks from `from` on: what is nearby of them is read and verified, what is not
// is fetched into the cache, which there is. Afterwards the restore of these blocks needs no network, unless
// the cache is too small for them or fails, which is no error: a cache that is too small is said to the
// observer, and has what it has room for. An error is one of the source, the network or a stop; what has come
// until then is kept.
Result<void> prefetch(const log::Bitmap& bitmap, BlockIndex from, const store::Source& source,
                      net::Fetcher& fetcher, store::Nearby& nearby, FrameVerifiers& verifiers,
                      Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
