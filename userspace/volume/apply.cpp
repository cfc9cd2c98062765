// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/apply.hpp"

#include <algorithm>

#include "volume/fit.hpp"
#include "volume/trial.hpp"

namespace regild::volume {
namespace {

// So much is decompressed and then written at once.
constexpr Bytes write_size = MiB(1);
// Zeroing is looked at in such pieces, for the stop flag and for progress.
constexpr Bytes zero_piece = MiB(64);
// A flush costs the same however much it covers: what a power cut may cost in work, and what memory the
// ranges take, is what bounds the time to the next one.
constexpr std::chrono::seconds commit_interval{10};
constexpr std::size_t max_uncommitted = 65536;  // ranges

void count(RestoreReport& report, Step::Kind kind, const store::NearbyKind* from, const Written& written) {
    switch (kind) {
        case Step::Kind::nearby:
            report.nearby[from].blocks += written.blocks;
            report.nearby[from].frames += written.frames;
            return;
        case Step::Kind::zero:
            report.zeroed += written.blocks;
            return;
        case Step::Kind::fetch:
            report.fetched += written.blocks;
    }
}

}  // namespace

Applier::Applier(RestoreTarget target, const format::Manifest& manifest, Progress& progress,
                 const StopFlag& stop, RestoreReport& report, BlockSet* written)
    : target_(target),
      manifest_(manifest),
      progress_(progress),
      stop_(stop),
      report_(report),
      written_(written),
      buffer_(write_size.count()) {}

// What is still marked is known to need its content: a run after an interruption does not look at it again.
Result<void> Applier::declare() {
    uncommitted_ = {};
    if (Result<void> marked = target_.log.bitmap().mark_untrusted(); !marked) return marked;
    format::ImageRecord record = *target_.log.record();
    if (record.state != format::VolumeState::golden && !record.unknown && !record.untouched) return {};
    if (record.state == format::VolumeState::golden) record.state = format::VolumeState::restoring;
    record.unknown = false;
    touch(record);
    return target_.log.write_record(record);
}

Result<void> Applier::run(Loader& loader) {
    Result<void> done = apply_all(loader);
    loader.close();
    return done;
}

Result<void> Applier::apply_all(Loader& loader) {
    committed_ = std::chrono::steady_clock::now();
    while (LoadedBatch* batch = loader.wait_for_whole()) {
        if (Result<void> applied = apply(*batch); !applied) return applied;
        if (stop_.requested()) break;
        loader.release(batch);
    }
    return commit();
}

Result<void> Applier::apply_rest(Loader& loader) {
    for (LoadedBatch* batch : loader.rest())
        if (Result<void> applied = apply(*batch); !applied) return applied;
    return commit();
}

Result<void> Applier::apply(LoadedBatch& batch) {
    for (std::size_t i = 0; i < batch.batch.steps.size(); ++i) {
        if (batch.states[i] != LoadedBatch::State::ready) continue;
        Step& step = batch.batch.steps[i];
        const bool is_zero = step.kind == Step::Kind::zero;
        if (Result<void> done = is_zero ? zero(step) : write(step, batch); !done) return done;
        if (!is_zero || step.blocks.count == Blocks(0)) batch.states[i] = LoadedBatch::State::applied;
    }
    return commit_when_due();
}

Result<void> Applier::write(const Step& step, const LoadedBatch& from) {
    const std::size_t block_bytes = manifest_.block_size.bytes().count();
    const std::size_t at_once = write_size.count() / block_bytes;
    ConstByteSpan frames = from.frames_of(step);
    BlockRange piece{step.blocks.first, Blocks(0)};
    Bytes length_of_piece;
    for (std::uint64_t i = 0; i < step.blocks.count.count(); ++i) {
        const std::size_t length = from.batch.framed[step.slot.count() + i].frame_length.count();
        const ByteSpan into = buffer_.span(piece.count.count() * block_bytes, block_bytes);
        if (!decompressor_.decompress(frames.first(length), into))
            return Error{Failure::failed, "a verified frame cannot be decompressed again: check the memory"};
        frames = frames.subspan(length);
        length_of_piece += Bytes(length);
        piece.count += Blocks(1);
        if (piece.count < Blocks(at_once) && piece.end() < step.blocks.end()) continue;
        Result<void> written =
            write_piece(piece, {step.kind, step.from}, std::exchange(length_of_piece, Bytes(0)));
        if (!written) return written;
        piece = {piece.end(), Blocks(0)};
    }
    return {};
}

// What is at the start of the buffer.
Result<void> Applier::write_piece(BlockRange piece, Origin origin, Bytes frames) {
    if (Result<void> written = write(piece, buffer_.span()); !written) return written;
    if (origin.first != Step::Kind::fetch) progress_.add(manifest_.block_size.bytes_of(piece.count));
    add(piece, origin, frames);
    return commit_when_due();
}

Result<void> Applier::write(BlockRange blocks, ConstByteSpan content) {
    return target_.data.write(manifest_.block_size.offset_of(blocks.first),
                              content.first(length_on_disk(manifest_, blocks).count()));
}

void Applier::written(BlockRange blocks) {
    add(blocks, {Step::Kind::fetch, nullptr}, Bytes(0));
}

// Piece by piece, until a stop is asked for: what is left stays in the step.
Result<void> Applier::zero(Step& step) {
    const Blocks piece_blocks(zero_piece.count() / manifest_.block_size.bytes().count());
    while (step.blocks.count > Blocks(0) && !stop_.requested()) {
        const BlockRange piece{step.blocks.first, std::min(step.blocks.count, piece_blocks)};
        const Bytes length = length_on_disk(manifest_, piece);
        Result<void> zeroed = target_.data.zero(manifest_.block_size.offset_of(piece.first), length);
        if (!zeroed) return zeroed;
        add(piece, {Step::Kind::zero, nullptr}, Bytes(0));
        progress_.add(manifest_.block_size.bytes_of(piece.count));
        step.blocks = {piece.end(), step.blocks.count - piece.count};
        if (Result<void> committed = commit_when_due(); !committed) return committed;
    }
    return {};
}

// To what is uncommitted.
void Applier::add(BlockRange piece, Origin origin, Bytes frames) {
    const std::lock_guard lock(mutex_);
    Written& written = uncommitted_.written[origin];
    written.blocks += piece.count;
    written.frames += frames;
    std::vector<BlockRange>& ranges = uncommitted_.ranges;
    if (!ranges.empty() && ranges.back().end() == piece.first)
        ranges.back().count += piece.count;
    else
        ranges.push_back(piece);
}

Result<void> Applier::commit_when_due() {
    {
        const std::lock_guard lock(mutex_);
        if (std::chrono::steady_clock::now() - committed_ < commit_interval &&
            uncommitted_.ranges.size() < max_uncommitted)
            return {};
    }
    return commit();
}

// Invariant 2: the content is on stable storage before its marks go.
Result<void> Applier::commit() {
    committed_ = std::chrono::steady_clock::now();
    Uncommitted done;
    {
        const std::lock_guard lock(mutex_);
        done = std::exchange(uncommitted_, {});
    }
    if (done.ranges.empty()) return {};
    if (Result<void> flushed = target_.data.flush(); !flushed) return flushed;
    if (Result<void> cleared = target_.log.bitmap().clear(done.ranges); !cleared) return cleared;
    if (written_)
        for (const BlockRange& range : done.ranges)
            written_->insert(range);
    for (const auto& [origin, written] : done.written)
        count(report_, origin.first, origin.second, written);
    return {};
}

}  // namespace regild::volume
