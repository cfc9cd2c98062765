// SPDX-License-Identifier: GPL-2.0-or-later
// Two batches are in memory at most: while one is written, the next is fetched and verified. Both are whole
// before the first write, so that a restore which fits in memory has touched nothing when the network dies
// (invariant 9).
#include "volume/restore.hpp"

#include <algorithm>
#include <future>

#include "volume/compare.hpp"
#include "volume/fit.hpp"
#include "volume/plan.hpp"

namespace regild::volume {
namespace {

constexpr Bytes batch_size = MiB(16);
constexpr Bytes request_size = MiB(1);
constexpr std::size_t max_steps = 8192;
// Zeroing is looked at in such pieces, for the stop flag and for progress.
constexpr Bytes zero_piece = MiB(64);
// So much is written or zeroed before a flush lets its marks be cleared.
constexpr Bytes commit_size = MiB(256);

// A batch whose fetched blocks have arrived and are verified: they lie in `data` one after another.
struct Loaded {
    Batch batch;
    block::AlignedBuffer data;
};

// Brings the marked blocks from the store to the disk. While one thread applies what is loaded and clears its
// marks, the other plans from marks that it read before, and reads those of later pieces.
class Restorer {
  public:
    Restorer(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
             store::TreeReader& tree, Observer& observer, const StopFlag& stop)
        : target_(target),
          source_(source),
          manifest_(source.manifest),
          fetcher_(fetcher),
          tree_(tree),
          stop_(stop),
          end_(BlockIndex() + manifest_.blocks()),
          progress_(observer, "restoring", manifest_.block_size.bytes_of(target.log.bitmap().marked())) {}

    Result<void> run();
    Blocks fetched() const { return fetched_; }
    Blocks zeroed() const { return zeroed_; }

  private:
    Result<void> load_next(Loaded& into);
    Result<void> plan_next(Batch& batch);
    Result<void> fetch(Loaded& into);
    Result<void> declare_restoring();
    Result<void> apply(Loaded& loaded);
    Result<void> zero(BlockRange blocks);
    Result<void> commit();

    RestoreTarget target_;
    const store::Source& source_;
    const format::Manifest& manifest_;
    net::Fetcher& fetcher_;
    store::TreeReader& tree_;
    const StopFlag& stop_;
    const BlockIndex end_;
    Progress progress_;  // in bytes of marked blocks
    BlockSet marks_;     // of the piece that is being planned, before any of it was cleared
    BlockIndex planned_until_;
    BlockIndex tree_loaded_until_;
    // Of the thread that applies:
    std::vector<BlockRange> uncommitted_;
    Bytes uncommitted_bytes_;
    Blocks fetched_;
    Blocks zeroed_;
};

Result<void> Restorer::run() {
    Loaded current;
    Loaded following;
    if (Result<void> loaded = load_next(current); !loaded) return loaded;
    if (Result<void> loaded = load_next(following); !loaded) return loaded;
    if (Result<void> declared = declare_restoring(); !declared) return declared;
    if (Result<void> applied = apply(current); !applied) return applied;
    while (!following.batch.steps.empty()) {
        std::swap(current, following);
        std::future<Result<void>> applying = std::async(std::launch::async, [&] { return apply(current); });
        Result<void> loaded = load_next(following);
        // Also when the network fails: what has arrived is put in place and cleared.
        if (Result<void> applied = applying.get(); !applied) return applied;
        if (!loaded) return loaded;
    }
    return {};
}

// Leaves the batch empty when nothing is left.
Result<void> Restorer::load_next(Loaded& into) {
    into.batch = {};
    if (Result<void> planned = plan_next(into.batch); !planned) return planned;
    return fetch(into);
}

Result<void> Restorer::plan_next(Batch& batch) {
    const auto in_blocks = [this](Bytes bytes) {
        return Blocks(std::max<std::uint64_t>(1, bytes.count() / manifest_.block_size.bytes().count()));
    };
    const BatchLimits limits{in_blocks(request_size), in_blocks(batch_size), max_steps};
    while (planned_until_ < end_) {
        if (planned_until_ == marks_.range().end()) marks_ = target_.log.bitmap().read(planned_until_).marked;
        if (planned_until_ == tree_loaded_until_) {
            const Result<BlockIndex> until = tree_.load(marks_, planned_until_);
            if (!until) return until.error();
            tree_loaded_until_ = *until;
        }
        planned_until_ =
            extend(batch, marks_, {planned_until_, tree_loaded_until_ - planned_until_}, limits,
                   tree_.zero_digest(), [this](BlockIndex block) { return tree_.digest(block); });
        if (planned_until_ < tree_loaded_until_) break;
    }
    return {};
}

Result<void> Restorer::fetch(Loaded& into) {
    if (into.batch.digests.empty()) return {};
    const BlockSize block_size = manifest_.block_size;
    const std::size_t block_bytes = block_size.bytes().count();
    if (into.data.size() == 0) into.data = block::AlignedBuffer(batch_size.count());

    std::vector<net::Range> ranges;
    std::vector<BlockIndex> firsts;
    std::size_t position = 0;
    for (const Step& step : into.batch.steps) {
        if (step.kind != Step::Kind::fetch) continue;
        const std::size_t length = block_size.bytes_of(step.blocks.count).count();
        ranges.push_back({block_size.offset_of(step.blocks.first), into.data.span(position, length)});
        firsts.push_back(step.blocks.first);
        position += length;
    }

    codec::SaltedSha256 hash(manifest_.salt);
    const auto verify = [&](std::size_t number) -> Result<void> {
        const ByteSpan bytes = ranges[number].into;
        const auto slot = static_cast<std::size_t>(bytes.data() - into.data.data()) / block_bytes;
        for (std::size_t i = 0; i * block_bytes < bytes.size(); ++i) {
            if (hash(bytes.subspan(i * block_bytes, block_bytes)) == into.batch.digests[slot + i]) continue;
            return Error{Failure::source,
                         net::without_credentials(source_.data_url) + ": block " +
                             std::to_string(firsts[number].value() + i) +
                             " does not match the hash tree: check the server and the caches before it"};
        }
        return {};
    };
    return fetcher_.get_ranges(source_.data_url, ranges, verify,
                               [this](Bytes moved) { progress_.add(moved); });
}

// Before the first write: from here on the disk is a mixture (invariant 9), and no mark may hang on a log
// sector that reads otherwise the next time. What is still marked is known to need its content, so that a run
// after an interruption does not look at it again.
Result<void> Restorer::declare_restoring() {
    if (Result<void> marked = target_.log.bitmap().mark_untrusted(); !marked) return marked;
    format::ImageRecord record = *target_.log.record();
    if (record.state != format::VolumeState::golden && !record.unknown) return {};
    if (record.state == format::VolumeState::golden) record.state = format::VolumeState::restoring;
    record.unknown = false;
    return target_.log.write_record(record);
}

Result<void> Restorer::apply(Loaded& loaded) {
    std::size_t position = 0;
    for (const Step& step : loaded.batch.steps) {
        if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
        if (step.kind == Step::Kind::zero) {
            if (Result<void> zeroed = zero(step.blocks); !zeroed) return zeroed;
            continue;
        }
        const Bytes length = length_on_disk(manifest_, step.blocks);
        Result<void> written = target_.data.write(manifest_.block_size.offset_of(step.blocks.first),
                                                  loaded.data.span(position, length.count()));
        if (!written) return written;
        position += manifest_.block_size.bytes_of(step.blocks.count).count();
        fetched_ += step.blocks.count;
        uncommitted_.push_back(step.blocks);
        uncommitted_bytes_ += length;
    }
    return commit();
}

Result<void> Restorer::zero(BlockRange blocks) {
    const Blocks piece_blocks(zero_piece.count() / manifest_.block_size.bytes().count());
    while (blocks.count > Blocks(0)) {
        if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
        const BlockRange piece{blocks.first, std::min(blocks.count, piece_blocks)};
        const Bytes length = length_on_disk(manifest_, piece);
        Result<void> zeroed = target_.data.zero(manifest_.block_size.offset_of(piece.first), length);
        if (!zeroed) return zeroed;
        zeroed_ += piece.count;
        uncommitted_.push_back(piece);
        uncommitted_bytes_ += length;
        progress_.add(manifest_.block_size.bytes_of(piece.count));
        if (uncommitted_bytes_ >= commit_size)
            if (Result<void> committed = commit(); !committed) return committed;
        blocks = {piece.end(), blocks.count - piece.count};
    }
    return {};
}

// Invariant 2: the content is on stable storage before its marks go.
Result<void> Restorer::commit() {
    if (uncommitted_.empty()) return {};
    if (Result<void> flushed = target_.data.flush(); !flushed) return flushed;
    if (Result<void> cleared = target_.log.bitmap().clear(uncommitted_); !cleared) return cleared;
    uncommitted_.clear();
    uncommitted_bytes_ = {};
    return {};
}

// Reads the marked blocks of which nobody knows whether they differ (all of an unknown volume, else those of
// log sectors that could not be trusted) and clears those that are golden already; the others stay marked.
// Returns how many it cleared.
Result<Blocks> clear_what_is_right(RestoreTarget target, const store::Source& source, store::TreeReader& tree,
                                   Observer& observer, const StopFlag& stop) {
    log::Bitmap& bitmap = target.log.bitmap();
    const bool all_unknown = target.log.record()->unknown;
    const Blocks total = all_unknown ? bitmap.marked() : bitmap.untrusted();
    Blocks right;
    if (total == Blocks(0)) return right;
    const Bytes total_bytes = source.manifest.block_size.bytes_of(total);
    observer.event("reading " + format_size(total_bytes) + " to see which blocks differ from the image");
    Progress progress(observer, "checking", total_bytes);
    const Comparison comparison{source.manifest, target.data, tree, progress, stop};
    const BlockIndex end = BlockIndex() + source.manifest.blocks();
    Blocks unreadable;
    for (BlockIndex at; at < end;) {
        const log::Marks marks = bitmap.read(at);
        const BlockSet& doubtful = all_unknown ? marks.marked : marks.untrusted;
        at = marks.range().end();
        if (doubtful.empty()) continue;
        const auto clear_right = [&](BlockRange part, const Findings& found) -> Result<void> {
            unreadable += found.unreadable.count(part);
            const std::vector<BlockRange> ranges = runs_of(difference(doubtful, found.wrong, part), part);
            if (ranges.empty()) return {};
            // What was read may still be in the disk's cache (invariant 2).
            if (Result<void> flushed = target.data.flush(); !flushed) return flushed;
            for (const BlockRange& range : ranges)
                right += range.count;
            return bitmap.clear(ranges);
        };
        if (Result<void> compared = compare(comparison, doubtful, clear_right); !compared)
            return compared.error();
    }
    if (unreadable > Blocks(0))
        observer.event(target.data.name() + ": " + std::to_string(unreadable.count()) +
                       (unreadable == Blocks(1) ? " block" : " blocks") +
                       " cannot be read and will be written anew: the disk may be failing");
    return right;
}

Result<void> restore_marked(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                            Observer& observer, const StopFlag& stop, RestoreReport& report) {
    const log::Bitmap& bitmap = target.log.bitmap();
    store::TreeReader tree(source, fetcher);
    const Result<Blocks> right = clear_what_is_right(target, source, tree, observer, stop);
    if (!right) return right.error();
    report.already_right = *right;
    // Twice: a log unit that cannot be read when its marks are to be cleared leaves others marked.
    for (int run = 0; run < 2 && bitmap.marked() > Blocks(0); ++run) {
        Restorer restorer(target, source, fetcher, tree, observer, stop);
        if (Result<void> restored = restorer.run(); !restored) return restored;
        report.fetched += restorer.fetched();
        report.zeroed += restorer.zeroed();
    }
    if (bitmap.marked() > Blocks(0))
        return Error{Failure::disk, "marks cannot be cleared: the log has read errors"};
    format::ImageRecord record = *target.log.record();
    record.state = format::VolumeState::golden;
    record.unknown = false;
    return target.log.write_record(record);
}

}  // namespace

Result<RestoreReport> restore(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                              Observer& observer, const StopFlag& stop) {
    const format::Manifest& manifest = source.manifest;
    if (Result<void> fits = check_fit(target.log, target.data, manifest); !fits) return fits.error();
    RestoreReport report;
    report.marked = target.log.bitmap().marked();
    const format::ImageRecord& record = *target.log.record();
    if (report.marked == Blocks(0) && record.state == format::VolumeState::golden && !record.unknown)
        return report;

    const net::Totals before = fetcher.totals();
    const Result<void> restored = restore_marked(target, source, fetcher, observer, stop, report);
    if (!restored) {
        if (restored.error().kind != Failure::interrupted) return restored.error();
        const auto size_of = [&](Blocks blocks) { return format_size(manifest.block_size.bytes_of(blocks)); };
        return Error{Failure::interrupted, "interrupted with " + size_of(target.log.bitmap().marked()) +
                                               " of " + size_of(report.marked) +
                                               " left to restore: run it again to go on"};
    }
    const net::Totals after = fetcher.totals();
    report.bytes_fetched = after.received - before.received;
    report.requests = after.requests - before.requests;
    return report;
}

}  // namespace regild::volume
