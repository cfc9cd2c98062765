// SPDX-License-Identifier: GPL-2.0-or-later
// While batches are applied, others are loaded. Before the first write memory is full of whole ones, and the
// cache, if there is one, has what follows them, so that a network which dies until then has touched nothing
// (invariant 9).
#include "volume/restore.hpp"

#include <future>

#include "volume/apply.hpp"
#include "volume/compare.hpp"
#include "volume/fit.hpp"
#include "volume/layout.hpp"
#include "volume/next_index.hpp"
#include "volume/prefetch.hpp"
#include "volume/state.hpp"
#include "volume/trial.hpp"

namespace regild::volume {

// One way through the marks, and how far it has come.
struct Restore::Pass {
    explicit Pass(Restore& of)
        : progress(of.observer_, "restoring",
                   of.source_.manifest.block_size.bytes_of(of.target_.log.bitmap().marked())),
          loader(of.target_.log.bitmap(), of.source_, of.fetcher_, of.nearby_, of.tree_, of.verifiers_,
                 progress),
          applier(of.target_, of.source_.manifest, progress, of.stop_, of.report_,
                  of.rules_.read_back ? &of.written_ : nullptr) {}

    Progress progress;  // in bytes of marked blocks
    Loader loader;
    Applier applier;
};

Restore::Restore(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher, Observer& observer,
                 const StopFlag& stop, const NearbyDevices& nearby, RestoreRules rules)
    : target_(target),
      source_(source),
      fetcher_(fetcher),
      observer_(observer),
      stop_(stop),
      nearby_(nearby_of(source.manifest, nearby)),
      rules_(rules),
      written_(source.manifest.blocks()),
      totals_before_(fetcher.totals()),
      tree_(source, fetcher, nearby.cache),
      verifiers_(source.manifest) {
    report_.marked = target.log.bitmap().marked();
}

Restore::~Restore() = default;

RestoreReport Restore::report() const {
    RestoreReport report = report_;
    const net::Totals now = fetcher_.totals();
    report.bytes_fetched = now.received - totals_before_.received;
    report.requests = now.requests - totals_before_.requests;
    return report;
}

Result<void> Restore::attempt() {
    if (Result<void> fits = check_fit(target_.log, target_.data, source_); !fits) return fits;
    if (is_clean(facts_of(target_.log))) return {};
    fetcher_.allow(most_to_fetch());
    Result<void> done = run();
    if (nearby_.cache() && done) nearby_.cache()->renew();
    if (nearby_.cache()) nearby_.cache()->finish();
    if (done || done.error().kind != Failure::interrupted) return done;
    const auto size_of = [&](Blocks blocks) {
        return format_size(source_.manifest.block_size.bytes_of(blocks));
    };
    return Error{Failure::interrupted, "interrupted with " + size_of(target_.log.bitmap().marked()) + " of " +
                                           size_of(report_.marked) +
                                           " left to restore: run it again to go on"};
}

Result<void> Restore::run() {
    if (Result<void> cleared = clear_what_is_right(); !cleared) return cleared;
    if (Result<void> few = check_need(); !few) return few;
    if (Result<void> brought = bring_all(); !brought) return brought;
    if (rules_.read_back)
        if (Result<void> right = read_back(); !right) return right;
    format::ImageRecord record = *target_.log.record();
    record.state = format::VolumeState::golden;
    record.unknown = false;
    record.unrestored_boots = 0;
    touch(record);
    return target_.log.write_record(record);
}

// What was written and is not on the disk.
Result<BlockSet> Restore::forgotten() {
    BlockSet wrong(source_.manifest.blocks());
    Progress progress(observer_, "reading back", source_.manifest.block_size.bytes_of(written_.count()));
    const Comparison comparison{source_.manifest, target_.data, tree_, progress, stop_};
    const auto collect = [&](BlockRange part, const Findings& found) -> Result<void> {
        for (const BlockRange& run : runs_of(found.wrong, part))
            wrong.insert(run);
        return {};
    };
    if (Result<void> compared = compare(comparison, written_, collect); !compared) return compared.error();
    report_.read_back += written_.count();
    written_ = BlockSet(source_.manifest.blocks());
    return wrong;
}

// The record says `restoring` until all is right.
Result<void> Restore::read_back() {
    for (bool again = false;; again = true) {
        const Result<BlockSet> wrong = forgotten();
        if (!wrong) {
            // What nobody has read does not count as written.
            if (Result<void> marked = target_.log.bitmap().mark(runs_of(written_, written_.range())); !marked)
                return marked;
            return wrong.error();
        }
        if (wrong->empty()) return {};
        if (Result<void> marked = target_.log.bitmap().mark(runs_of(*wrong, wrong->range())); !marked)
            return marked;
        const std::string blocks = target_.data.name() + " does not hold what was written to " +
                                   std::to_string(wrong->count().count()) + " blocks";
        if (again) return Error{Failure::disk, blocks + ", twice: the disk is failing"};
        observer_.event(blocks + ": they are written once more");
        report_.rewritten += wrong->count();
        if (Result<void> brought = bring_all(); !brought) return brought;
    }
}

Result<void> Restore::bring_all() {
    const log::Bitmap& bitmap = target_.log.bitmap();
    // Twice: a log unit that cannot be read when its marks are to be cleared leaves others marked.
    for (int run = 0; run < 2 && bitmap.marked() > Blocks(0); ++run) {
        Result<void> brought = bring();
        while (!brought && has_next_index({brought.error(), verifiers_.take_found_wrong()}, source_, fetcher_,
                                          observer_)) {
            pass_.reset();
            brought = bring();
        }
        if (!brought) return brought;
    }
    if (bitmap.marked() > Blocks(0))
        return Error{Failure::disk, "marks cannot be cleared: the log has read errors"};
    return {};
}

// What is right for this version need not be for the one before it. The way back to another layout compares
// all blocks, whatever is marked.
Result<void> Restore::touch_version() {
    format::ImageRecord record = *target_.log.record();
    if (!record.untouched || is_before_of_other_layout(record)) return {};
    touch(record);
    return target_.log.write_record(std::move(record));
}

// Reads the marked blocks of which nobody knows whether they differ (all of an unknown volume, else those of
// log sectors that could not be trusted) and clears those that are golden already; the others stay marked.
Result<void> Restore::clear_what_is_right() {
    log::Bitmap& bitmap = target_.log.bitmap();
    const bool all_unknown = target_.log.record()->unknown;
    const Blocks total = all_unknown ? bitmap.marked() : bitmap.untrusted();
    const BlockIndex end = BlockIndex() + source_.manifest.blocks();
    if (total == Blocks(0) || compared_until_ == end) return {};
    const Bytes total_bytes = source_.manifest.block_size.bytes_of(total);
    observer_.event("reading " + format_size(total_bytes) + " to see which blocks differ from the image");
    Progress progress(observer_, "checking", total_bytes);
    const Comparison comparison{source_.manifest, target_.data, tree_, progress, stop_};
    while (compared_until_ < end) {
        const log::Marks marks = bitmap.read(compared_until_);
        BlockSet doubtful = all_unknown ? marks.marked : marks.untrusted;
        doubtful.erase({marks.range().first, compared_until_ - marks.range().first});
        const auto clear_right = [&](BlockRange part, const Findings& found) -> Result<void> {
            unreadable_ += found.unreadable.count(part);
            compared_until_ = part.end();
            const std::vector<BlockRange> ranges = runs_of(difference(doubtful, found.wrong, part), part);
            if (ranges.empty()) return {};
            if (Result<void> touched = touch_version(); !touched) return touched;
            // What was read may still be in the disk's cache (invariant 2).
            if (Result<void> flushed = target_.data.flush(); !flushed) return flushed;
            if (Result<void> cleared = bitmap.clear(ranges); !cleared) return cleared;
            for (const BlockRange& range : ranges)
                report_.already_right += range.count;
            return {};
        };
        if (!doubtful.empty())
            if (Result<void> compared = compare(comparison, doubtful, clear_right); !compared)
                return compared;
        compared_until_ = marks.range().end();
    }
    if (unreadable_ > Blocks(0))
        observer_.event(target_.data.name() + ": " + std::to_string(unreadable_.count()) +
                        (unreadable_ == Blocks(1) ? " block" : " blocks") +
                        " cannot be read and will be written anew: the disk may be failing");
    return {};
}

// Whoever provisions a disk means to fetch what that takes.
std::optional<Bytes> Restore::most_to_fetch() const {
    return target_.log.record()->state == format::VolumeState::provisioning ? std::nullopt : rules_.max_fetch;
}

// Of a source that is no server nothing comes over a network, unless it fails and a mirror is one.
Result<void> Restore::check_need() {
    const std::optional<Bytes> most = most_to_fetch();
    if (!most || need_is_met_ || source_.data_url.is_local()) return {};
    if (!need_)
        need_ =
            std::make_unique<Need>(target_.log.bitmap(), source_, fetcher_, nearby_, tree_, rules_.read_back);
    if (Result<void> few = need_->check(*most); !few) return few;
    need_is_met_ = true;
    need_.reset();
    return {};
}

Result<void> Restore::bring() {
    if (!pass_) pass_ = std::make_unique<Pass>(*this);
    Result<void> brought = bring_by(*pass_);
    // After an error of the disk only the log can say what is left.
    if (brought || brought.error().kind == Failure::disk) pass_.reset();
    return brought;
}

// On an error what has arrived is put in place all the same, where the record says already that the disk is a
// mixture.
Result<void> Restore::bring_by(Pass& pass) {
    Loader& loader = pass.loader;
    Result<void> loaded;
    if (target_.log.record()->state == format::VolumeState::golden || target_.log.record()->untouched) {
        loaded = loader.load();
        if (loaded && nearby_.cache())
            loaded = prefetch(target_.log.bitmap(), loader.loaded_until(), source_, fetcher_, nearby_,
                              verifiers_, observer_, stop_);
        if (loaded && stop_.requested()) loaded = Error{Failure::interrupted, "interrupted"};
        if (!loaded) return loaded;
    }
    if (Result<void> declared = pass.applier.declare(); !declared) return declared;
    loader.reopen();
    loader.write_through(pass.applier);
    std::future<Result<void>> applying =
        std::async(std::launch::async, [&] { return pass.applier.run(loader); });
    do
        loaded = loader.load();
    while (loaded && !loader.has_all() && loader.wait_for_room());
    loader.close();
    if (Result<void> applied = applying.get(); !applied) return applied;
    if (loaded && stop_.requested()) loaded = Error{Failure::interrupted, "interrupted"};
    if (!loaded)
        if (Result<void> applied = pass.applier.apply_rest(loader); !applied) return applied;
    return loaded;
}

}  // namespace regild::volume
