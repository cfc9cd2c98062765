// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/prefetch.hpp"

#include "volume/fill.hpp"

namespace regild::volume {

Result<void> prefetch(const log::Bitmap& bitmap, BlockIndex from, const store::Source& source,
                      net::Fetcher& fetcher, store::Nearby& nearby, FrameVerifiers& verifiers,
                      Observer& observer, const StopFlag& stop) {
    const BlockIndex end = BlockIndex() + source.manifest.blocks();
    const auto marked_from = [&](BlockIndex at) {
        BlockSet marked = bitmap.read(at).marked;
        marked.erase({marked.range().first, at - marked.range().first});
        return marked;
    };
    Blocks count;
    for (BlockIndex at = from; at < end;) {
        const BlockSet marked = marked_from(at);
        count += marked.count();
        at = marked.range().end();
    }
    if (count == Blocks(0)) return {};
    const Wanted wanted{.first = from, .count = count, .from = marked_from, .at_once = MiB(8)};
    store::Cache& cache = *nearby.cache();
    const Result<FillReport> filled = fill_cache(wanted, source, fetcher, nearby, verifiers, observer, stop);
    if (cache.error()) return {};
    if (!filled) return filled.error();
    if (!filled->whole)
        observer.event(
            "the cache has no room for all that is to be restored: if the network fails before the "
            "end, the volume is half restored");
    return {};
}

}  // namespace regild::volume
