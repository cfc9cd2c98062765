// SPDX-License-Identifier: GPL-2.0-or-later
// The write log on its device: opened, formatted, marked and cleared in the order that the invariants ask
// for.
#pragma once

#include <optional>
#include <span>

#include "base/block_set.hpp"
#include "block/storage.hpp"
#include "format/image_record.hpp"
#include "format/write_log.hpp"

namespace regild::engine {

class LogStore {
  public:
    // Nothing: neither superblock copy is valid. Failure::refused: a format that this version does not know.
    // An I/O error is an error, never "no log" (invariant 10).
    static Result<std::optional<LogStore>> open(block::Storage& storage);
    // Writes a new log with a fresh uuid, every block marked, in the order bitmap, record, superblocks, with
    // flushes between. The old superblocks are wiped first, so that a power cut leaves no log rather than a
    // mixture.
    static Result<LogStore> format(block::Storage& storage, const format::LogGeometry& geometry,
                                   format::ImageRecord record);
    // Whether a format was cut off here: there is no log, and nobody else's data either.
    static Result<bool> is_unfinished(block::Storage& storage);

    const format::Superblock& superblock() const { return superblock_; }
    const format::LogGeometry& geometry() const { return superblock_.geometry; }
    const BlockSet& marks() const { return marks_; }
    // Blocks that are marked because their log sector could not be read or trusted; a subset of marks().
    const BlockSet& untrusted() const { return untrusted_; }
    // Nothing when no slot is valid, or one cannot be read (it may hold the newer record): then everything
    // about the volume is unknown.
    const std::optional<format::ImageRecord>& record() const { return record_; }

    // Durable when they return. write_record gives the record the next sequence number and the slot that does
    // not hold the newest valid one (invariant 8).
    Result<void> write_record(format::ImageRecord record);
    Result<void> mark(std::span<const BlockRange> ranges);
    // The caller has flushed the data device (invariant 2).
    Result<void> clear(std::span<const BlockRange> ranges);
    // Rewrites a superblock copy that is bad while the other is good.
    Result<void> repair();

  private:
    LogStore(block::Storage& storage, const format::Superblock& superblock);
    void check_second_copy();
    void read_bitmap();
    Result<void> read_records();
    Result<void> write_units_of(std::span<const BlockRange> ranges);

    block::Storage* storage_;
    format::Superblock superblock_;
    BlockSet marks_;
    BlockSet untrusted_;
    std::optional<format::ImageRecord> record_;
    unsigned record_slot_ = 1;           // the next record goes to the other
    std::uint64_t record_sequence_ = 0;  // the highest seen
    bool superblock_bad_[2] = {false, false};
};

}  // namespace regild::engine
