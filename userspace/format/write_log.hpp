// SPDX-License-Identifier: GPL-2.0-or-later
// The write log's bytes to checked values and back; include/regild/FORMAT.md is the reference.
#pragma once

#include <array>

#include "base/block_set.hpp"
#include "base/bytes.hpp"
#include "base/units.hpp"
#include "base/uuid.hpp"

namespace regild::format {

using SectorBytes = std::array<std::byte, 512>;

// Where everything lies, in bytes from the start of the log; all of it follows from two numbers.
class LogGeometry {
  public:
    // Errors: data_size zero or not a multiple of 512, more than 2^31 blocks.
    static Result<LogGeometry> make(Bytes data_size, BlockSize block_size);
    // Of all logs: of one block, and of as many as there may be.
    static LogGeometry shortest();
    static LogGeometry longest();

    BlockSize block_size() const { return block_size_; }
    Bytes data_size() const { return data_size_; }
    Blocks blocks() const { return block_size_.blocks_in(data_size_); }
    std::uint64_t log_sectors() const;  // a multiple of 8: whole units
    Bytes bitmap_offset() const;
    Bytes bitmap_length() const;
    Bytes record_offset(unsigned slot) const;      // slot 0 or 1
    Bytes superblock_offset(unsigned copy) const;  // copy 0 or 1
    Bytes log_length() const;
    bool operator==(const LogGeometry&) const = default;

  private:
    LogGeometry(Bytes data_size, BlockSize block_size) : data_size_(data_size), block_size_(block_size) {}
    Bytes data_size_;
    BlockSize block_size_;
};

struct Superblock {
    Uuid uuid;
    LogGeometry geometry;
    bool operator==(const Superblock&) const = default;
};

// Failure::failed: not a superblock (magic, checksum). Failure::refused: a valid one of an unknown version,
// with unknown feature flags or fields that contradict each other.
Result<Superblock> parse_superblock(std::span<const std::byte, 512> bytes);
SectorBytes serialize_superblock(const Superblock& superblock);

// Both take a set of a whole volume's blocks, or of a part that begins with a log sector's first block and
// ends with one's last or the volume's.
// Adds the marks of log sector `index` to `marks`. False (and every block of the sector is added) when its
// checksum or its index is wrong or a bit past the last block is set: doubt is dirty (invariant 3).
bool read_log_sector(std::span<const std::byte, 512> bytes, const Uuid& uuid, std::uint64_t index,
                     BlockSet& marks);
// Log sector `index` with the marks in `marks`.
SectorBytes serialize_log_sector(const Uuid& uuid, std::uint64_t index, const BlockSet& marks);

// The blocks that log sector `index` tells of, clipped to `blocks`; empty for a padding sector.
BlockRange blocks_of_log_sector(std::uint64_t index, Blocks blocks);

}  // namespace regild::format
