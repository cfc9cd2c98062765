// SPDX-License-Identifier: GPL-2.0-or-later
// How many bytes a restore has to fetch, found out before it writes: an owner may have said how many are too
// many.
#pragma once

#include "log/bitmap.hpp"
#include "store/frame_locator.hpp"
#include "store/frame_verifier.hpp"
#include "store/tree_reader.hpp"

namespace regild::volume {

class Need {
  public:
    // All must outlive it.
    Need(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher, store::Cache* cache,
         store::TreeReader& tree);

    // Adds up the frames of all marked blocks that are not zero and that the cache does not have, which it
    // reads for that. Failure::refused as soon as they and all that was fetched since the fetcher had
    // received `before`, which has the index pages and hash blocks that tell of them, are more than `most`.
    // After another error the next call goes on.
    Result<void> check(Bytes most, Bytes before);

  private:
    Result<void> add(const BlockSet& marks, BlockRange range);

    const log::Bitmap& bitmap_;
    net::Fetcher& fetcher_;
    store::Cache* const cache_;
    store::TreeReader& tree_;
    store::FrameLocator frames_;
    store::FrameVerifier verifier_;
    const BlockIndex end_;
    BlockIndex at_;
    Bytes frames_length_;
};

}  // namespace regild::volume
