// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/need.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

// Blocks that are looked at together.
constexpr Blocks piece{1 << 14};

}  // namespace

Need::Need(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
           store::Nearby& nearby, store::TreeReader& tree)
    : bitmap_(bitmap),
      fetcher_(fetcher),
      nearby_(nearby),
      tree_(tree),
      frames_(source, fetcher),
      end_(BlockIndex() + source.manifest.blocks()) {}

Result<void> Need::check(Bytes most, Bytes before) {
    const auto check_sum = [&]() -> Result<void> {
        if (fetcher_.totals().received - before + frames_length_ <= most) return {};
        return Error{Failure::refused,
                     "more than " + format_size(most) +
                         " would have to be fetched, and max_fetch allows no more: nothing was written; "
                         "allow more with --max-fetch or in the configuration"};
    };
    while (at_ < end_) {
        const log::Marks marks = bitmap_.read(at_);
        while (at_ < marks.range().end()) {
            const Result<BlockIndex> until = tree_.load(marks.marked, at_);
            if (!until) return until.error();
            if (Result<void> fits = check_sum(); !fits) return fits;
            while (at_ < *until) {
                const BlockRange range{at_, std::min(piece, *until - at_)};
                if (Result<void> added = add(marks.marked, range); !added) return added;
                if (Result<void> fits = check_sum(); !fits) return fits;
                at_ = range.end();
            }
        }
    }
    return {};
}

Result<void> Need::add(const BlockSet& marks, BlockRange range) {
    BlockSet missing(range);
    for (const BlockRange& run : runs_of(marks, range))
        for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1))
            if (const Digest digest = tree_.digest(block);
                digest != tree_.zero_digest() && !nearby_.take(block, digest))
                missing.insert({block, Blocks(1)});
    if (Result<void> loaded = frames_.load(missing); !loaded) return loaded;
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
