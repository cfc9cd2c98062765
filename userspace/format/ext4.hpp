// SPDX-License-Identifier: GPL-2.0-or-later
// Where an ext2, ext3 or ext4 file system has its free blocks and its journal: as much of its format as it
// takes to say what is in an image for nothing. Nothing here is trusted further than for advice. The names
// and offsets are those of the kernel's Documentation/filesystems/ext4.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace regild::format {

inline constexpr Bytes ext4_superblock_offset{1024};
using Ext4SuperblockBytes = std::array<std::byte, 1024>;

// Blocks of the file system, not those of a volume, in a row.
struct Ext4Range {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    bool contains(std::uint64_t block) const { return block >= first && block - first < count; }
    bool operator==(const Ext4Range&) const = default;
};

struct Ext4Group {
    std::uint64_t block_bitmap = 0;  // the block that it is in
    std::uint64_t inode_bitmap = 0;
    Ext4Range inode_table;
    bool bitmap_unwritten = false;  // all of the group is free but its own metadata; the bitmap says nothing
    bool table_zeroed = false;      // else the kernel does it once the file system is mounted

    bool operator==(const Ext4Group&) const = default;
};

// What a node of an extent tree holds: ranges of data, or the blocks of the nodes below it.
struct Ext4Extents {
    std::vector<Ext4Range> data;
    std::vector<std::uint64_t> nodes;
};

class Ext4 {
  public:
    // Nothing where there is none, where it has no place in `image_size`, or where it has a feature that
    // moves what is looked for (bigalloc, meta_bg).
    static std::optional<Ext4> parse(const Ext4SuperblockBytes& bytes, Bytes image_size);

    Bytes block_size() const { return block_size_; }
    std::uint64_t blocks() const { return blocks_; }
    std::uint64_t groups() const;
    // Which group the block is in; nothing for the boot block and past the end.
    std::optional<std::uint64_t> group_of(std::uint64_t block) const;
    Ext4Range blocks_of(std::uint64_t group) const;
    // Of the group's descriptor, from the start of the file system.
    Bytes descriptor_offset(std::uint64_t group) const;
    Bytes descriptor_size() const { return descriptor_size_; }
    Ext4Group parse_descriptor(ConstByteSpan descriptor) const;
    // Blocks at the start of a group that may hold copies of the superblock and of the descriptors.
    std::uint64_t copies() const { return copies_; }

    std::uint64_t free_blocks() const { return free_blocks_; }
    // The journal has to be replayed: until then the bitmaps may be old.
    bool needs_recovery() const { return needs_recovery_; }
    // Whether a mount begins to zero inode tables that are not.
    bool zeroes_tables_later() const { return zeroes_tables_later_; }
    // The root of the journal's extents; nothing without a journal, or when it is mapped by indirect blocks.
    std::optional<Ext4Extents> journal() const;
    // A node of an extent tree, with what it maps checked to lie in the file system. Nothing if it is none.
    std::optional<Ext4Extents> parse_extents(ConstByteSpan node) const;

  private:
    bool contains(const Ext4Range& range) const;

    Bytes block_size_;
    Bytes descriptor_size_;
    std::uint64_t blocks_ = 0;
    std::uint64_t first_block_ = 0;
    std::uint64_t blocks_per_group_ = 0;
    std::uint64_t inode_table_blocks_ = 0;  // of a group
    std::uint64_t copies_ = 0;
    std::uint64_t free_blocks_ = 0;
    bool wide_ = false;  // descriptors have the upper halves of block numbers
    bool needs_recovery_ = false;
    bool zeroes_tables_later_ = false;
    std::array<std::byte, 60> journal_root_{};
};

}  // namespace regild::format
