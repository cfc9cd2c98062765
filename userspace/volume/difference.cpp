// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/difference.hpp"

#include <algorithm>

#include "store/frame_locator.hpp"
#include "store/tree_difference.hpp"
#include "volume/compare.hpp"
#include "volume/fit.hpp"

namespace regild::volume {
namespace {

constexpr Blocks piece_size(std::uint64_t{1} << 20);  // looked at together

std::string version_text(const format::Manifest& manifest) {
    return "version " + std::to_string(manifest.version) + " of " + manifest.image;
}

Result<void> check_comparable(const format::Manifest& a, const format::Manifest& b) {
    const std::string both = version_text(a) + " and " + version_text(b);
    const auto refuse = [&](const std::string& why) { return Error{Failure::refused, both + why}; };
    if (a.image != b.image) return refuse(" are of two images: only versions of one can be compared");
    if (a.size != b.size)
        return refuse(" differ in size, " + std::to_string(a.size.count()) + " and " +
                      std::to_string(b.size.count()) + " bytes: all of the other one would be fetched");
    if (a.block_size != b.block_size)
        return refuse(" differ in block size, " + format_size(a.block_size.bytes()) + " and " +
                      format_size(b.block_size.bytes()) + ": all of the other one would be fetched");
    if (!format::are_comparable(a, b))
        return refuse(" were hashed with different salts: publish one of them anew");
    return {};
}

// Counts blocks that are to become those of `to`.
class Count {
  public:
    Count(const store::Source& to, net::Fetcher& fetcher, NearbyDevices nearby = {})
        : nearby_(nearby_of(to.manifest, nearby)), tree_(to, fetcher, nearby.cache), locator_(to, fetcher) {}

    // Ascending; a piece at a time.
    Result<void> add(const BlockSet& blocks) {
        const BlockRange range = blocks.range();
        for (BlockIndex at = range.first; at < range.end();) {
            const Result<BlockIndex> until = tree_.load(blocks, at);
            if (!until) return until.error();
            if (Result<void> added = add_known(blocks, {at, *until - at}); !added) return added;
            at = *until;
        }
        return {};
    }
    Difference found;

  private:
    // Those whose digests the tree holds.
    Result<void> add_known(const BlockSet& blocks, BlockRange within) {
        BlockSet framed(within);
        found.blocks += blocks.count(within);
        found.zero += blocks.count(within);
        for (BlockIndex at = within.first; at < within.end();) {
            const store::Nearby::Part part = nearby_.take_some(tree_, blocks, {at, within.end() - at});
            found.zero -= Blocks(part.blocks.size());
            for (const store::Nearby::Wanted& block : part.blocks)
                if (!block.found) framed.insert({block.block, Blocks(1)});
            at = part.end;
        }
        if (Result<void> loaded = locator_.load(framed); !loaded) return loaded;
        for (const BlockRange& run : runs_of(framed, within))
            for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1))
                found.frames += locator_.frame(block).length;
        return {};
    }

    store::Nearby nearby_;
    store::TreeReader tree_;
    store::FrameLocator locator_;
};

}  // namespace

Result<Difference> needed_for(const BlockSet& blocks, const store::Source& to, net::Fetcher& fetcher,
                              NearbyDevices nearby) {
    Count count(to, fetcher, nearby);
    if (Result<void> added = count.add(blocks); !added) return added.error();
    return count.found;
}

Result<Difference> version_difference(const store::Source& a, const store::Source& b, net::Fetcher& fetcher) {
    if (Result<void> comparable = check_comparable(a.manifest, b.manifest); !comparable)
        return comparable.error();
    Count count(b, fetcher);
    const auto add = [&](std::span<const BlockRange> ranges) -> Result<void> {
        BlockSet blocks({ranges.front().first, ranges.back().end() - ranges.front().first});
        for (const BlockRange& range : ranges)
            blocks.insert(range);
        return count.add(blocks);
    };
    const Result<bool> told = store::for_each_difference(a, b, fetcher, nullptr, add);
    if (!told) return told.error();
    if (!*told)
        return Error{Failure::source,
                     "the source does not have the hash tree of " + version_text(a.manifest)};
    return count.found;
}

Result<Difference> disk_difference(block::Storage& disk, const store::Source& golden, net::Fetcher& fetcher,
                                   Observer& observer, const StopFlag& stop) {
    const format::Manifest& manifest = golden.manifest;
    if (Result<void> fits = check_fits_disk(disk, manifest); !fits) return fits.error();
    store::TreeReader tree(golden, fetcher);
    Progress progress(observer, "comparing", manifest.block_size.bytes_of(manifest.blocks()));
    const Comparison comparison{manifest, disk, tree, progress, stop};
    Count count(golden, fetcher);
    const auto add = [&](BlockRange part, const Findings& findings) -> Result<void> {
        BlockSet wrong(part);
        for (const BlockRange& run : runs_of(findings.wrong, part))
            wrong.insert(run);
        count.found.unreadable += findings.unreadable.count(part);
        return count.add(wrong);
    };
    const BlockIndex end = BlockIndex() + manifest.blocks();
    for (BlockIndex at; at < end;) {
        const BlockRange piece{at, std::min(piece_size, end - at)};
        if (Result<void> compared = compare(comparison, BlockSet(piece, true), add); !compared)
            return compared.error();
        at = piece.end();
    }
    return count.found;
}

}  // namespace regild::volume
