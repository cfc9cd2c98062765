// SPDX-License-Identifier: GPL-2.0-or-later
// Finds the frames of blocks in image.zst: reads the pages of image.index that tell of them.
#pragma once

#include <map>

#include "base/block_set.hpp"
#include "format/frame_index.hpp"
#include "net/fetcher.hpp"
#include "store/source.hpp"

namespace regild::store {

class FrameLocator {
  public:
    // Both must outlive the locator.
    FrameLocator(const Source& source, net::Fetcher& fetcher);

    // Reads what tells of the members of `wanted`, none of which is a block of zeros; what an earlier call
    // read and this one does not want is forgotten. After an error the next call asks for what has not
    // arrived yet. Memory: some 150 bytes for each 32 blocks of which one is wanted.
    Result<void> load(const BlockSet& wanted);
    // What it takes to load `wanted` with nothing held.
    static Bytes length_of(const BlockSet& wanted);
    // Of a member of the set that was loaded. Neither empty nor longer than a frame of one block can be.
    format::Frame frame(BlockIndex block) const;

  private:
    using PageNumber = std::uint64_t;
    // The first member of `wanted` of which the page says what cannot be.
    std::optional<BlockIndex> wrong_block(PageNumber number, const format::FrameIndexPage& page,
                                          const BlockSet& wanted) const;
    Result<void> take(PageNumber number, ConstByteSpan bytes, const BlockSet& wanted);

    const Source& source_;
    net::Fetcher& fetcher_;
    const Bytes longest_;
    std::map<PageNumber, format::FrameIndexPage> pages_;
};

// How long image.zst is, as the last page of its index says: one request, of 104 bytes. Failure::source:
// longer than the frames of all blocks can be.
Result<Bytes> frames_length(const Source& source, net::Fetcher& fetcher);
// What it is at most.
Bytes longest_frames(const format::Manifest& manifest);

}  // namespace regild::store
