// SPDX-License-Identifier: GPL-2.0-or-later
// How many bytes a restore has to fetch, found out before it writes: an owner may have said how many are too
// many.
#pragma once

#include "log/bitmap.hpp"
#include "store/frame_locator.hpp"
#include "store/nearby.hpp"
#include "store/tree_reader.hpp"

namespace regild::volume {

class Need {
  public:
    // All must outlive it.
    Need(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher, store::Nearby& nearby,
         store::TreeReader& tree);

    // Adds up the frames of all marked blocks that are not zero and not nearby, where it reads them, and what
    // may be read between two. Failure::refused as soon as they and all that was fetched since the fetcher
    // had received `before`, which has the index pages and hash blocks that tell of them, are more than
    // `most`. After another error the next call goes on.
    Result<void> check(Bytes most, Bytes before);

  private:
    Result<void> add(const BlockSet& marks, BlockRange range);

    const log::Bitmap& bitmap_;
    net::Fetcher& fetcher_;
    store::Nearby& nearby_;
    store::TreeReader& tree_;
    store::FrameLocator frames_;
    const BlockIndex end_;
    BlockIndex at_;
    Bytes frames_length_;
    std::optional<Bytes> last_end_;  // of the frame that was counted last
};

}  // namespace regild::volume
