// SPDX-License-Identifier: GPL-2.0-or-later
// The marks on a log's device. At most 2^31 blocks have one, too many for memory: they are read and changed a
// piece at a time, and what is held of them is a few bytes a log sector.
#pragma once

#include <regild/writelog_format.h>

#include <span>
#include <vector>

#include "base/block_set.hpp"
#include "block/storage.hpp"
#include "format/write_log.hpp"

namespace regild::log {

// The marks of one piece of the volume, as they were when they were read.
struct Marks {
    BlockSet marked;
    BlockSet untrusted;  // marked because their log sector could not be read or trusted
    BlockRange range() const { return marked.range(); }
};

class Bitmap {
  public:
    Bitmap(block::Storage& storage, const format::Superblock& superblock);

    // Reads everything, to count. What cannot be read or trusted is marked (invariant 3).
    void scan();

    // As the last scan, mark or clear left them.
    Blocks marked() const { return marked_; }
    Blocks untrusted() const { return untrusted_; }
    // The piece that holds block `from`: all pieces are equally long but the last. What was not trusted once
    // stays so until it is written, also when it can be read again. May run while another thread changes
    // other pieces.
    Marks read(BlockIndex from) const;

    // Durable when they return. On an error nobody knows what has landed: the log sectors concerned are not
    // trusted any more.
    Result<void> mark(std::span<const BlockRange> ranges);
    // The caller has flushed the data device (invariant 2).
    Result<void> clear(std::span<const BlockRange> ranges);
    // Marks on the log what counts as marked because it is not trusted: before blocks of it are written.
    Result<void> mark_untrusted();
    // Marks every block without looking at what was there. Durable after the next flush: the record's, which
    // a format writes before its superblocks.
    Result<void> mark_all();

  private:
    // Units first to end - 1 of the bitmap.
    struct Units {
        std::uint64_t first;
        std::uint64_t end;
    };
    struct SectorTally {
        std::uint16_t marked = 0;
        bool untrusted = false;
    };

    Units piece_at(std::uint64_t unit) const;
    BlockRange blocks_of(Units units) const;
    Marks none(Units units) const;
    void add_marks_of(Units units, Marks& marks, bool all = false) const;
    std::vector<Units> units_of(std::span<const BlockRange> sorted) const;
    Result<void> change(std::span<const BlockRange> ranges, bool to_marked);
    Result<void> write(Units units, const BlockSet& marked);
    std::vector<SectorTally> tallies_of(Units units, const Marks& marks) const;
    void count(Units units, std::span<const SectorTally> tallies);
    Blocks blocks() const { return superblock_.geometry.blocks(); }
    std::uint64_t units() const { return sectors_.size() / WRITELOG_SECTORS_PER_UNIT; }
    Error error(const Error& why) const;

    block::Storage* storage_;
    format::Superblock superblock_;
    std::vector<SectorTally> sectors_;
    Blocks marked_;
    Blocks untrusted_;
};

}  // namespace regild::log
