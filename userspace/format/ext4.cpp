// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/ext4.hpp"

#include <algorithm>
#include <cassert>

namespace regild::format {
namespace {

constexpr std::uint64_t magic = 0xef53;
constexpr std::uint64_t incompat_recover = 0x4;
constexpr std::uint64_t incompat_journal_device = 0x8;
constexpr std::uint64_t incompat_meta_bg = 0x10;
constexpr std::uint64_t incompat_64bit = 0x80;
constexpr std::uint64_t ro_compat_gdt_csum = 0x10;
constexpr std::uint64_t ro_compat_bigalloc = 0x200;
constexpr std::uint64_t ro_compat_metadata_csum = 0x400;
constexpr std::uint64_t group_block_uninit = 0x2;
constexpr std::uint64_t group_inode_zeroed = 0x4;

constexpr std::uint64_t largest_block_log = 6;  // 64 KiB
constexpr std::uint64_t fewest_per_group = 256;
constexpr std::uint64_t most_groups = 1 << 21;  // 256 TiB of 4 KiB blocks; so that no image costs minutes
constexpr std::uint64_t narrow_descriptor = 32;
constexpr std::uint64_t wide_descriptor = 64;
constexpr std::uint64_t first_revision_inode = 128;

constexpr std::uint64_t extent_magic = 0xf30a;
constexpr std::size_t extent_size = 12;  // of the header and of each entry
constexpr std::uint64_t longest_extent = 32768;

std::uint64_t load(ConstByteSpan bytes, std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(bytes[offset + i]);
    return value;
}
std::uint64_t load16(ConstByteSpan bytes, std::size_t offset) {
    return load(bytes, offset, 2);
}
std::uint64_t load32(ConstByteSpan bytes, std::size_t offset) {
    return load(bytes, offset, 4);
}

}  // namespace

std::optional<Ext4> Ext4::parse(const Ext4SuperblockBytes& bytes, Bytes image_size) {
    if (load16(bytes, 0x38) != magic) return std::nullopt;  // s_magic
    const std::uint64_t block_log = load32(bytes, 0x18);    // s_log_block_size
    const bool has_features = load32(bytes, 0x4c) > 0;      // s_rev_level
    const std::uint64_t incompat = has_features ? load32(bytes, 0x60) : 0;
    const std::uint64_t ro_compat = has_features ? load32(bytes, 0x64) : 0;
    if (block_log > largest_block_log || (incompat & (incompat_journal_device | incompat_meta_bg)) != 0 ||
        (ro_compat & ro_compat_bigalloc) != 0)
        return std::nullopt;

    Ext4 ext4;
    ext4.block_size_ = Bytes(std::uint64_t{1024} << block_log);
    ext4.wide_ = (incompat & incompat_64bit) != 0;
    ext4.descriptor_size_ = Bytes(ext4.wide_ ? load16(bytes, 0xfe) : narrow_descriptor);  // s_desc_size
    ext4.blocks_ = load32(bytes, 0x4) | (ext4.wide_ ? load32(bytes, 0x150) << 32 : 0);    // s_blocks_count
    ext4.free_blocks_ = load32(bytes, 0xc) | (ext4.wide_ ? load32(bytes, 0x158) << 32 : 0);
    ext4.first_block_ = load32(bytes, 0x14);       // s_first_data_block
    ext4.blocks_per_group_ = load32(bytes, 0x20);  // s_blocks_per_group
    const std::uint64_t block_bytes = ext4.block_size_.count();
    const std::uint64_t descriptor_bytes = ext4.descriptor_size_.count();
    if (ext4.first_block_ != (block_log == 0 ? 1 : 0) || ext4.blocks_ <= ext4.first_block_ ||
        ext4.blocks_ > image_size.count() / block_bytes || ext4.free_blocks_ > ext4.blocks_ ||
        ext4.blocks_per_group_ < fewest_per_group || ext4.blocks_per_group_ > 8 * block_bytes ||
        ext4.blocks_per_group_ % 8 != 0 || ext4.groups() > most_groups ||
        (ext4.wide_ && descriptor_bytes != wide_descriptor))
        return std::nullopt;
    const std::uint64_t inode_bytes = has_features ? load16(bytes, 0x58) : first_revision_inode;
    const std::uint64_t inodes_per_group = load32(bytes, 0x28);
    if (inode_bytes > block_bytes || inodes_per_group > 8 * block_bytes) return std::nullopt;
    ext4.inode_table_blocks_ = divide_up(inodes_per_group * inode_bytes, block_bytes);
    ext4.copies_ = 1 + divide_up(ext4.groups() * descriptor_bytes, block_bytes) +
                   (has_features ? load16(bytes, 0xce) : 0);  // s_reserved_gdt_blocks
    ext4.needs_recovery_ = (incompat & incompat_recover) != 0;
    ext4.zeroes_tables_later_ = (ro_compat & (ro_compat_gdt_csum | ro_compat_metadata_csum)) != 0;
    // s_jnl_blocks, a copy of the journal's inode, if s_journal_inum and s_jnl_backup_type say that it is
    // one.
    if (has_features && load32(bytes, 0xe0) != 0 && load(bytes, 0xfd, 1) == 1)
        std::copy_n(bytes.begin() + 0x10c, ext4.journal_root_.size(), ext4.journal_root_.begin());
    return ext4;
}

std::uint64_t Ext4::groups() const {
    return divide_up(blocks_ - first_block_, blocks_per_group_);
}

std::optional<std::uint64_t> Ext4::group_of(std::uint64_t block) const {
    if (block < first_block_ || block >= blocks_) return std::nullopt;
    return (block - first_block_) / blocks_per_group_;
}

Ext4Range Ext4::blocks_of(std::uint64_t group) const {
    assert(group < groups());
    const std::uint64_t first = first_block_ + group * blocks_per_group_;
    return {first, std::min(blocks_per_group_, blocks_ - first)};
}

Bytes Ext4::descriptor_offset(std::uint64_t group) const {
    return Bytes((first_block_ + 1) * block_size_.count() + group * descriptor_size_.count());
}

Ext4Group Ext4::parse_descriptor(ConstByteSpan descriptor) const {
    assert(descriptor.size() == descriptor_size_.count());
    const auto block = [&](std::size_t low, std::size_t high) {
        return load32(descriptor, low) | (wide_ ? load32(descriptor, high) << 32 : 0);
    };
    const std::uint64_t flags = zeroes_tables_later_ ? load16(descriptor, 0x12) : group_inode_zeroed;
    return {.block_bitmap = block(0x0, 0x20),
            .inode_bitmap = block(0x4, 0x24),
            .inode_table = {block(0x8, 0x28), inode_table_blocks_},
            .bitmap_unwritten = (flags & group_block_uninit) != 0,
            .table_zeroed = (flags & group_inode_zeroed) != 0};
}

std::optional<Ext4Extents> Ext4::journal() const {
    return parse_extents(journal_root_);
}

bool Ext4::contains(const Ext4Range& range) const {
    return range.first >= first_block_ && range.first < blocks_ && range.count <= blocks_ - range.first;
}

std::optional<Ext4Extents> Ext4::parse_extents(ConstByteSpan node) const {
    if (node.size() < extent_size || load16(node, 0) != extent_magic) return std::nullopt;  // eh_magic
    const std::uint64_t entries = load16(node, 2);                                          // eh_entries
    const bool leaf = load16(node, 6) == 0;                                                 // eh_depth
    if (entries > node.size() / extent_size - 1) return std::nullopt;
    Ext4Extents extents;
    for (std::uint64_t i = 1; i <= entries; i++) {
        const ConstByteSpan entry = node.subspan(i * extent_size, extent_size);
        // ee_len, of which more than the longest says that nothing was written there yet.
        const std::uint64_t length = leaf ? load16(entry, 4) : 1;
        const Ext4Range range{
            leaf ? load32(entry, 8) | load16(entry, 6) << 32 : load32(entry, 4) | load16(entry, 8) << 32,
            length > longest_extent ? length - longest_extent : length};
        if (!contains(range)) return std::nullopt;
        if (leaf)
            extents.data.push_back(range);
        else
            extents.nodes.push_back(range.first);
    }
    return extents;
}

}  // namespace regild::format
