// SPDX-License-Identifier: GPL-2.0-or-later
// The write log on its device: found, formatted and repaired in the order that the invariants ask for.
#pragma once

#include <optional>

#include "block/storage.hpp"
#include "format/image_record.hpp"
#include "format/write_log.hpp"
#include "log/bitmap.hpp"

namespace regild::log {

class WriteLog {
  public:
    // Nothing: neither superblock copy is valid. Failure::refused: a format that this version does not know.
    // An I/O error is an error, never "no log" (invariant 10).
    static Result<std::optional<WriteLog>> open(block::Storage& storage);
    // Writes a new log with a fresh uuid, every block marked, in the order bitmap, record, superblocks, with
    // flushes between. The old superblocks are wiped first, so that a power cut leaves no log rather than a
    // mixture.
    static Result<WriteLog> format(block::Storage& storage, const format::LogGeometry& geometry,
                                   format::ImageRecord record);
    // Lays the log out anew for a volume of another size or block size, with every block marked, under the
    // uuid that it has: the record stays. Cut off anywhere, this log or the new one is found, with that
    // record.
    Result<void> lay_out(const format::LogGeometry& geometry);
    // Whether a format was cut off here: there is no log, and nobody else's data either.
    static Result<bool> is_unfinished(block::Storage& storage);

    const format::Superblock& superblock() const { return superblock_; }
    const format::LogGeometry& geometry() const { return superblock_.geometry; }
    Bitmap& bitmap() { return bitmap_; }
    const Bitmap& bitmap() const { return bitmap_; }
    // Nothing when no slot is valid, or one cannot be read (it may hold the newer record): then everything
    // about the volume is unknown.
    const std::optional<format::ImageRecord>& record() const { return record_; }

    // Durable when it returns. Gives the record the next sequence number and the slot that does not hold the
    // newest valid one (invariant 8).
    Result<void> write_record(format::ImageRecord record);
    // Rewrites a superblock copy that is bad while the other is good.
    Result<void> repair();

  private:
    WriteLog(block::Storage& storage, const format::Superblock& superblock);
    void check_second_copy();
    Result<void> read_records();

    block::Storage* storage_;
    format::Superblock superblock_;
    Bitmap bitmap_;
    std::optional<format::ImageRecord> record_;
    unsigned record_slot_ = 1;           // the next record goes to the other
    std::uint64_t record_sequence_ = 0;  // the highest seen
    bool superblock_bad_[2] = {false, false};
};

}  // namespace regild::log
