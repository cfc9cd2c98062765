// SPDX-License-Identifier: GPL-2.0-or-later
// Verify marks and does nothing else: what is marked is put right by the next restore.
#include "volume/verify.hpp"

#include "volume/compare.hpp"
#include "volume/fit.hpp"
#include "volume/plan.hpp"

namespace regild::volume {

Result<VerifyReport> verify(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                            Observer& observer, const StopFlag& stop) {
    if (Result<void> fits = check_fit(target.log, target.data, source); !fits) return fits.error();
    VerifyReport report;
    log::Bitmap& bitmap = target.log.bitmap();
    report.marked_before = bitmap.marked();

    store::TreeReader tree(source, fetcher);
    const BlockIndex end = BlockIndex() + source.manifest.blocks();
    Progress progress(observer, "verifying", source.manifest.block_size.bytes_of(source.manifest.blocks()));
    const Comparison comparison{source.manifest, target.data, tree, progress, stop};
    for (BlockIndex at; at < end;) {
        const log::Marks marks = bitmap.read(at);
        const BlockSet on_the_log = difference(marks.marked, marks.untrusted, marks.range());
        const auto mark_wrong = [&](BlockRange part, const Findings& found) -> Result<void> {
            const std::vector<BlockRange> ranges = runs_of(difference(found.wrong, on_the_log, part), part);
            report.checked += part.count;
            report.unreadable += found.unreadable.count(part);
            report.newly_marked += difference(found.wrong, marks.marked, part).count();
            return ranges.empty() ? Result<void>() : bitmap.mark(ranges);
        };
        if (Result<void> compared = compare(comparison, BlockSet(marks.range(), true), mark_wrong);
            !compared) {
            if (compared.error().kind != Failure::interrupted) return compared.error();
            return Error{Failure::interrupted,
                         "interrupted after " +
                             format_size(source.manifest.block_size.bytes_of(report.checked)) + " of " +
                             format_size(source.manifest.size) + "; wrong blocks that were found are marked"};
        }
        at = marks.range().end();
    }
    return report;
}

}  // namespace regild::volume
