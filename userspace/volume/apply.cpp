// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/apply.hpp"

#include <algorithm>

#include "volume/fit.hpp"

namespace regild::volume {
namespace {

// So much is decompressed and then written at once.
constexpr Bytes write_size = MiB(1);
// Zeroing is looked at in such pieces, for the stop flag and for progress.
constexpr Bytes zero_piece = MiB(64);
// So much is written or zeroed before a flush lets its marks be cleared.
constexpr Bytes commit_size = MiB(256);

}  // namespace

Applier::Applier(RestoreTarget target, const format::Manifest& manifest, Progress& progress,
                 const StopFlag& stop, RestoreReport& report)
    : target_(target),
      manifest_(manifest),
      progress_(progress),
      stop_(stop),
      report_(report),
      buffer_(write_size.count()) {}

// What is still marked is known to need its content: a run after an interruption does not look at it again.
Result<void> Applier::declare() {
    uncommitted_ = {};
    if (Result<void> marked = target_.log.bitmap().mark_untrusted(); !marked) return marked;
    format::ImageRecord record = *target_.log.record();
    if (record.state != format::VolumeState::golden && !record.unknown) return {};
    if (record.state == format::VolumeState::golden) record.state = format::VolumeState::restoring;
    record.unknown = false;
    return target_.log.write_record(record);
}

Result<void> Applier::apply(LoadedBatch& batch) {
    std::vector<Step> left;
    std::vector<bool> left_ready;
    for (std::size_t i = 0; i < batch.batch.steps.size(); ++i) {
        Step& step = batch.batch.steps[i];
        const bool is_zero = step.kind == Step::Kind::zero;
        if (batch.ready[i])
            if (Result<void> done = is_zero ? zero(step) : write(step, batch); !done) return done;
        if (batch.ready[i] && (!is_zero || step.blocks.count == Blocks(0))) continue;
        left.push_back(step);
        left_ready.push_back(batch.ready[i]);
    }
    if (Result<void> committed = commit(); !committed) return committed;
    batch.batch.steps = std::move(left);
    batch.ready = std::move(left_ready);
    if (!batch.empty()) return {};
    batch.batch.framed.clear();
    batch.batch.size = Bytes(0);
    batch.planned = false;
    return {};
}

Result<void> Applier::write(const Step& step, LoadedBatch& from) {
    const std::size_t block_bytes = manifest_.block_size.bytes().count();
    const std::size_t at_once = write_size.count() / block_bytes;
    ConstByteSpan frames = from.frames_of(step);
    BlockRange piece{step.blocks.first, Blocks(0)};
    for (std::uint64_t i = 0; i < step.blocks.count.count(); ++i) {
        const std::size_t length = from.batch.framed[step.slot.count() + i].frame_length.count();
        const ByteSpan into = buffer_.span(piece.count.count() * block_bytes, block_bytes);
        if (!decompressor_.decompress(frames.first(length), into))
            return Error{Failure::failed, "a verified frame cannot be decompressed again: check the memory"};
        frames = frames.subspan(length);
        piece.count += Blocks(1);
        if (piece.count < Blocks(at_once) && piece.end() < step.blocks.end()) continue;
        if (Result<void> written = write_piece(piece, step.kind); !written) return written;
        piece = {piece.end(), Blocks(0)};
    }
    return {};
}

// What is at the start of the buffer.
Result<void> Applier::write_piece(BlockRange piece, Step::Kind kind) {
    const Bytes length = length_on_disk(manifest_, piece);
    Result<void> written =
        target_.data.write(manifest_.block_size.offset_of(piece.first), buffer_.span(0, length.count()));
    if (!written) return written;
    uncommitted_.ranges.push_back(piece);
    uncommitted_.bytes += length;
    if (kind == Step::Kind::cached) progress_.add(manifest_.block_size.bytes_of(piece.count));
    (kind == Step::Kind::cached ? uncommitted_.cached : uncommitted_.fetched) += piece.count;
    return {};
}

// Piece by piece, until a stop is asked for: what is left stays in the step.
Result<void> Applier::zero(Step& step) {
    const Blocks piece_blocks(zero_piece.count() / manifest_.block_size.bytes().count());
    while (step.blocks.count > Blocks(0) && !stop_.requested()) {
        const BlockRange piece{step.blocks.first, std::min(step.blocks.count, piece_blocks)};
        const Bytes length = length_on_disk(manifest_, piece);
        Result<void> zeroed = target_.data.zero(manifest_.block_size.offset_of(piece.first), length);
        if (!zeroed) return zeroed;
        uncommitted_.ranges.push_back(piece);
        uncommitted_.bytes += length;
        uncommitted_.zeroed += piece.count;
        progress_.add(manifest_.block_size.bytes_of(piece.count));
        if (uncommitted_.bytes >= commit_size)
            if (Result<void> committed = commit(); !committed) return committed;
        step.blocks = {piece.end(), step.blocks.count - piece.count};
    }
    return {};
}

// Invariant 2: the content is on stable storage before its marks go.
Result<void> Applier::commit() {
    if (uncommitted_.ranges.empty()) return {};
    if (Result<void> flushed = target_.data.flush(); !flushed) return flushed;
    if (Result<void> cleared = target_.log.bitmap().clear(uncommitted_.ranges); !cleared) return cleared;
    report_.fetched += uncommitted_.fetched;
    report_.cached += uncommitted_.cached;
    report_.zeroed += uncommitted_.zeroed;
    uncommitted_ = {};
    return {};
}

}  // namespace regild::volume
