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
         store::TreeReader& tree, bool reads_back);

    // Adds up the frames of all marked blocks that are not zero and not nearby, where it reads them, what may
    // be read between two, and what the restore reads once more of what told of them. Failure::refused as
    // soon as this and all that the fetcher has brought over a network are more than `most`: a restore of
    // which it is not fetches no more, unless something is asked for again or is nearby no longer. After
    // another error the next call goes on.
    Result<void> check(Bytes most);

  private:
    Result<void> add(const BlockSet& marks, BlockRange range);
    Bytes to_come() const;

    const log::Bitmap& bitmap_;
    net::Fetcher& fetcher_;
    store::Nearby& nearby_;
    store::TreeReader& tree_;
    store::FrameLocator frames_;
    const std::uint64_t times_again_;  // that a tree is read which is not held whole
    const BlockIndex end_;
    BlockIndex at_;
    bool in_parts_ = false;  // the tree is read
    Bytes tree_length_;
    Bytes index_length_;
    Bytes frames_length_;
    std::optional<Bytes> last_end_;  // of the frame that was counted last
};

}  // namespace regild::volume
