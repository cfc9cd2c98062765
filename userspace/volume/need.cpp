// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/need.hpp"

namespace regild::volume {

Need::Need(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
           store::Nearby& nearby, store::TreeReader& tree, bool reads_back)
    : bitmap_(bitmap),
      fetcher_(fetcher),
      nearby_(nearby),
      tree_(tree),
      frames_(source, fetcher),
      // A cache gets what is read of the tree.
      times_again_(nearby.cache() ? 0U : 1U + static_cast<unsigned>(reads_back)),
      end_(BlockIndex() + source.manifest.blocks()) {}

Result<void> Need::check(Bytes most) {
    while (at_ < end_) {
        const log::Marks marks = bitmap_.read(at_);
        while (at_ < marks.range().end()) {
            const Result<BlockIndex> until = tree_.load(marks.marked, at_);
            if (!until) return until.error();
            if (Result<void> added = add(marks.marked, {at_, *until - at_}); !added) return added;
            at_ = *until;
            in_parts_ = in_parts_ || at_ < end_;
            if (fetcher_.totals().over_network + to_come() > most)
                return Error{Failure::refused,
                             "more than " + format_size(most) +
                                 " would have to be fetched, and max_fetch allows no more: nothing was "
                                 "written; allow more with --max-fetch or in the configuration"};
        }
    }
    return {};
}

Bytes Need::to_come() const {
    const Bytes again = in_parts_ ? Bytes(times_again_ * tree_length_.count()) : Bytes(0);
    return frames_length_ + index_length_ + again;
}

Result<void> Need::add(const BlockSet& marks, BlockRange range) {
    BlockSet framed(range);
    BlockSet missing(range);
    bool promises_kept = true;
    for (BlockIndex at = range.first; at < range.end();) {
        const store::Nearby::Part part = nearby_.take_some(tree_, marks, {at, range.end() - at});
        for (const store::Nearby::Wanted& block : part.blocks) {
            framed.insert({block.block, Blocks(1)});
            if (block.found) continue;
            missing.insert({block.block, Blocks(1)});
            promises_kept = promises_kept && !nearby_.may_have(block.block, block.digest);
        }
        at = part.end;
    }
    if (Result<void> loaded = frames_.load(missing); !loaded) return loaded;
    if (marks.count(range) > Blocks(0)) tree_length_ += tree_.length_anew();
    index_length_ += store::FrameLocator::length_of(missing);
    // Who finds a block not to be where it should be finds the frames of all.
    if (!promises_kept) index_length_ += store::FrameLocator::length_of(framed);
    for (const BlockRange& run : runs_of(missing, range))
        for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1)) {
            const format::Frame frame = frames_.frame(block);
            if (last_end_ && *last_end_ <= frame.offset && frame.offset - *last_end_ <= net::request_overhead)
                frames_length_ += frame.offset - *last_end_;
            frames_length_ += frame.length;
            last_end_ = frame.end();
        }
    return {};
}

}  // namespace regild::volume
