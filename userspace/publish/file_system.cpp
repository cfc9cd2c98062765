// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/file_system.hpp"

#include <algorithm>

namespace regild::publish {
namespace {

constexpr std::size_t descriptors_at_once = 4096;

}  // namespace

Result<std::optional<FileSystemSurvey>> FileSystemSurvey::open(const ImageFile& image, BlockSize block_size) {
    format::Ext4SuperblockBytes superblock{};
    if (Result<void> read = image.read(format::ext4_superblock_offset, superblock); !read)
        return read.error();
    const std::optional<format::Ext4> ext4 = format::Ext4::parse(superblock, image.size());
    if (!ext4) return std::optional<FileSystemSurvey>();
    FileSystemSurvey survey(image, block_size, *ext4);
    survey.report_.free = Bytes(ext4->free_blocks() * ext4->block_size().count());
    survey.report_.needs_recovery = ext4->needs_recovery();
    if (Result<void> found = survey.find_journal(); !found) return found.error();
    if (Result<void> looked = survey.look_at_tables(); !looked) return looked.error();
    return std::optional(std::move(survey));
}

// One level of nodes below the root holds more than any journal has.
Result<void> FileSystemSurvey::find_journal() {
    std::optional<format::Ext4Extents> root = ext4_.journal();
    if (!root) return {};
    std::vector<format::Ext4Range> ranges = std::move(root->data);
    ByteVector node(ext4_.block_size().count());
    for (const std::uint64_t block : root->nodes) {
        if (Result<void> read = image_->read(Bytes(block * node.size()), node); !read) return read;
        const std::optional<format::Ext4Extents> leaf = ext4_.parse_extents(node);
        if (!leaf || !leaf->nodes.empty()) return {};
        ranges.insert(ranges.end(), leaf->data.begin(), leaf->data.end());
    }
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    journal_ = std::move(ranges);
    for (const format::Ext4Range& range : journal_)
        report_.journal += Bytes(range.count * ext4_.block_size().count());
    report_.journal_superblock = std::min(report_.journal, ext4_.block_size());
    return {};
}

Result<void> FileSystemSurvey::look_at_tables() {
    if (!ext4_.zeroes_tables_later()) return {};
    const std::size_t size = ext4_.descriptor_size().count();
    ByteVector descriptors;
    for (std::uint64_t group = 0; group < ext4_.groups();) {
        const std::uint64_t count = std::min<std::uint64_t>(ext4_.groups() - group, descriptors_at_once);
        descriptors.resize(count * size);
        if (Result<void> read = image_->read(ext4_.descriptor_offset(group), descriptors); !read) return read;
        for (std::uint64_t i = 0; i < count; i++) {
            const format::Ext4Group parsed =
                ext4_.parse_descriptor(ConstByteSpan(descriptors).subspan(i * size, size));
            if (!parsed.table_zeroed)
                report_.unfinished_tables += Bytes(parsed.inode_table.count * ext4_.block_size().count());
        }
        group += count;
    }
    return {};
}

Result<void> FileSystemSurvey::load_group(std::uint64_t group) {
    ByteVector descriptor(ext4_.descriptor_size().count());
    if (Result<void> read = image_->read(ext4_.descriptor_offset(group), descriptor); !read) return read;
    const format::Ext4Group parsed = ext4_.parse_descriptor(descriptor);
    bitmap_.assign(ext4_.block_size().count(), std::byte{0});
    if (parsed.bitmap_unwritten) {
        const format::Ext4Range blocks = ext4_.blocks_of(group);
        for (std::uint64_t i = 0; i < blocks.count; i++) {
            const std::uint64_t block = blocks.first + i;
            if (i < ext4_.copies() || block == parsed.block_bitmap || block == parsed.inode_bitmap ||
                parsed.inode_table.contains(block))
                bitmap_[i / 8] |= std::byte{1} << (i % 8);
        }
    } else if (parsed.block_bitmap < ext4_.blocks()) {
        const Bytes offset(parsed.block_bitmap * bitmap_.size());
        if (Result<void> read = image_->read(offset, bitmap_); !read) return read;
    } else {
        bitmap_.assign(bitmap_.size(), std::byte{0xff});  // nothing is known to be free
    }
    group_ = group;
    return {};
}

Result<bool> FileSystemSurvey::is_free(std::uint64_t block) {
    const std::optional<std::uint64_t> group = ext4_.group_of(block);
    if (!group) return false;
    if (group_ != group)
        if (Result<void> loaded = load_group(*group); !loaded) return loaded.error();
    const std::uint64_t bit = block - ext4_.blocks_of(*group).first;
    return (bitmap_[bit / 8] >> (bit % 8) & std::byte{1}) == std::byte{0};
}

bool FileSystemSurvey::is_journal(std::uint64_t block) const {
    const auto after = std::upper_bound(journal_.begin(), journal_.end(), block,
                                        [](std::uint64_t b, const auto& range) { return b < range.first; });
    return after != journal_.begin() && std::prev(after)->contains(block);
}

Result<void> FileSystemSurvey::add_block(Bytes offset, ConstByteSpan block, Bytes frame) {
    const std::size_t piece = std::min(block.size(), std::size_t{ext4_.block_size().count()});
    bool has_free = false;
    bool has_journal = false;
    for (std::size_t at = 0; at < block.size(); at += piece) {
        const std::uint64_t number = (offset.count() + at) / ext4_.block_size().count();
        const auto not_zero = [&] { return Bytes(all_zero(block.subspan(at, piece)) ? 0 : piece); };
        if (is_journal(number)) {
            has_journal = true;
            report_.journal_not_zero += not_zero();
            continue;
        }
        const Result<bool> free = is_free(number);
        if (!free) return free.error();
        if (!*free) continue;
        has_free = true;
        report_.free_not_zero += not_zero();
    }
    if (has_journal)
        report_.journal_frames += frame;
    else if (has_free)
        report_.free_frames += frame;
    return {};
}

Result<void> FileSystemSurvey::add(const ImageChunk& chunk) {
    const std::size_t size = block_size_.bytes().count();
    for (std::size_t i = 0; i < chunk.frame_lengths.size(); i++) {
        if (chunk.frame_lengths[i] == 0) continue;
        if (Result<void> added =
                add_block(block_size_.offset_of(chunk.range.first + Blocks(i)),
                          chunk.bytes.subspan(i * size, size), Bytes(chunk.frame_lengths[i]));
            !added)
            return added;
    }
    return {};
}

}  // namespace regild::publish
