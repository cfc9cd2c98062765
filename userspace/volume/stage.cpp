// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/stage.hpp"

#include "store/tree_difference.hpp"
#include "volume/difference.hpp"
#include "volume/fill.hpp"
#include "volume/nearby_devices.hpp"

namespace regild::volume {
namespace {

// Of frames that are fetched together.
constexpr Bytes at_once = MiB(4);

struct Differing {
    BlockSet blocks;
    bool all_unknown = false;
};

// All blocks, where it cannot be told which.
Result<Differing> difference_of(const store::Source& installed, const store::Source& next,
                                const TreeSources& trees) {
    Differing difference{BlockSet(next.manifest.blocks())};
    const auto collect = [&](std::span<const BlockRange> ranges) -> Result<void> {
        for (const BlockRange& range : ranges)
            difference.blocks.insert(range);
        return {};
    };
    Result<bool> told = false;
    if (format::are_comparable(installed.manifest, next.manifest))
        told = store::for_each_difference(installed, next, trees.fetcher, trees.cache, collect);
    if (!told) return told.error();
    if (!*told) difference = {BlockSet(next.manifest.blocks(), true), true};
    return difference;
}

// What the disk has, if it is given, is not fetched.
Result<FillReport> fill_with(const BlockSet& blocks, const store::Source& source, block::Storage* disk,
                             const TreeSources& trees, const StopFlag& stop) {
    const Wanted wanted{.first = BlockIndex(),
                        .count = blocks.count(),
                        .from = [&](BlockIndex) { return blocks; },
                        .at_once = at_once,
                        .keeps_copy = true};
    store::Nearby nearby = nearby_of(source.manifest, {.cache = trees.cache, .golden_copy = disk});
    FrameVerifiers verifiers(source.manifest);
    return fill_cache(wanted, source, trees.fetcher, nearby, verifiers, trees.observer, stop);
}

// Whether the cache has all frames of these blocks.
Result<bool> is_at_hand(const BlockSet& blocks, const store::Source& version, const TreeSources& trees) {
    const Result<Difference> needed = needed_for(blocks, version, trees.fetcher, {.cache = trees.cache});
    if (!needed) return needed.error();
    return needed->frames == Bytes(0);
}

Result<std::optional<WayBack>> put_way_back(const store::Source& installed, const store::Source& next,
                                            block::Storage& disk, const TreeSources& trees,
                                            const StopFlag& stop) {
    Result<Differing> difference = difference_of(installed, next, trees);
    if (!difference) return difference.error();
    if (difference->all_unknown) return std::optional<WayBack>();
    const Result<FillReport> filled = fill_with(difference->blocks, installed, &disk, trees, stop);
    if (!filled) return filled.error();
    // The disk forgets it next.
    trees.cache->flush();
    if (trees.cache->error()) return *trees.cache->error();
    if (!filled->whole) return std::optional<WayBack>();
    return std::optional(WayBack{installed, std::move(difference->blocks)});
}

std::string way_back_to(const store::Source& installed) {
    return "the way back to version " + std::to_string(installed.manifest.version);
}

std::string not_at_hand(const store::Source& installed) {
    return way_back_to(installed) + " is not all in the cache: it will need the network";
}

}  // namespace

Result<std::optional<WayBack>> keep_way_back(const store::Source& installed, const store::Source& next,
                                             block::Storage& disk, const TreeSources& trees,
                                             const StopFlag& stop) {
    Result<std::optional<WayBack>> kept = put_way_back(installed, next, disk, trees, stop);
    if (!kept && kept.error().kind == Failure::interrupted) return kept;
    if (!kept) trees.observer.event(kept.error().message);
    if (kept && *kept) return kept;
    trees.observer.event(not_at_hand(installed));
    return std::optional<WayBack>();
}

void tell_of_way_back(const WayBack& way_back, const TreeSources& trees) {
    const Result<bool> there = is_at_hand(way_back.blocks, way_back.to, trees);
    trees.observer.event(there.ok() && *there ? way_back_to(way_back.to) + " is in the cache"
                                              : not_at_hand(way_back.to));
}

Result<StageReport> stage(const store::Source& installed, const store::Source& next, block::Storage* disk,
                          const TreeSources& trees, const StopFlag& stop) {
    const Result<Differing> difference = difference_of(installed, next, trees);
    if (!difference) return difference.error();
    StageReport report;
    report.differing = difference->blocks.count();
    // The way back first: what is put into the cache last is there longest.
    bool goes_back = disk && !difference->all_unknown;
    if (goes_back) {
        const Result<FillReport> back = fill_with(difference->blocks, installed, disk, trees, stop);
        if (!back && back.error().kind != Failure::source) return back.error();
        goes_back = back.ok() && back->whole;
    }
    const Result<FillReport> filled = fill_with(difference->blocks, next, nullptr, trees, stop);
    if (!filled) return filled.error();
    report.fetched = filled->fetched;
    report.whole = filled->whole;
    // The log is to say that it is there.
    trees.cache->flush();
    if (trees.cache->error()) return *trees.cache->error();
    if (!goes_back) return report;
    // In a small cache the one may have taken the place of the other.
    const Result<bool> stayed = is_at_hand(difference->blocks, installed, trees);
    if (!stayed && stayed.error().kind != Failure::source) return stayed.error();
    report.way_back = stayed.ok() && *stayed;
    return report;
}

Result<UpdateNeed> update_need(const store::Source& installed, const store::Source& next,
                               block::Storage* disk, const TreeSources& trees) {
    const Result<Differing> difference = difference_of(installed, next, trees);
    if (!difference) return difference.error();
    UpdateNeed need{difference->blocks.count(), difference->all_unknown, Bytes(0)};
    if (need.all_unknown) return need;
    const Result<Difference> needed =
        needed_for(difference->blocks, next, trees.fetcher, {.cache = trees.cache});
    if (!needed) return needed.error();
    need.frames = needed->frames;
    if (!disk) return need;
    const Result<Difference> back =
        needed_for(difference->blocks, installed, trees.fetcher, {.cache = trees.cache, .golden_copy = disk});
    if (!back && back.error().kind != Failure::source) return back.error();
    if (back) need.frames += back->frames;
    return need;
}

}  // namespace regild::volume
