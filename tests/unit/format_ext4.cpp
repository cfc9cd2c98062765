// SPDX-License-Identifier: GPL-2.0-or-later
// tests/data/ext4-small.bin is mke2fs's; what it holds is told here as dumpe2fs and debugfs tell it.
#include "format/ext4.hpp"

#include <catch2/catch.hpp>

#include "format_golden.hpp"

namespace regild::format {
namespace {

constexpr Bytes image_size = MiB(60);

class FileSystem {
  public:
    Ext4SuperblockBytes superblock() const {
        Ext4SuperblockBytes bytes{};
        std::copy_n(bytes_.begin() + 1024, bytes.size(), bytes.begin());
        return bytes;
    }
    // As the superblock is after this change of a little-endian field of `size` bytes.
    std::optional<Ext4> with(std::size_t offset, std::size_t size, std::uint64_t value) const {
        Ext4SuperblockBytes bytes = superblock();
        for (std::size_t i = 0; i < size; i++)
            bytes[offset + i] = static_cast<std::byte>(value >> 8 * i);
        return Ext4::parse(bytes, image_size);
    }
    Ext4Group group(const Ext4& ext4, std::uint64_t number) const {
        return ext4.parse_descriptor(ConstByteSpan(bytes_).subspan(ext4.descriptor_offset(number).count(),
                                                                   ext4.descriptor_size().count()));
    }

  private:
    ByteVector bytes_ = test::golden_bytes("ext4-small.bin");
};

ByteVector extent_node(std::uint16_t depth, std::uint16_t entries, std::initializer_list<std::byte> entry) {
    ByteVector node(60);
    node[0] = std::byte{0x0a};
    node[1] = std::byte{0xf3};
    node[2] = static_cast<std::byte>(entries);
    node[6] = static_cast<std::byte>(depth);
    std::copy(entry.begin(), entry.end(), node.begin() + 12);
    return node;
}

}  // namespace

TEST_CASE("an ext4 file system is where mke2fs made it") {
    const FileSystem file_system;
    const std::optional<Ext4> ext4 = Ext4::parse(file_system.superblock(), image_size);
    REQUIRE(ext4);
    CHECK(ext4->block_size() == Bytes(1024));
    CHECK(ext4->blocks() == 61440);
    CHECK(ext4->free_blocks() == 53464);
    CHECK(ext4->groups() == 8);
    CHECK(ext4->descriptor_size() == Bytes(64));
    CHECK(ext4->copies() == 2);
    CHECK_FALSE(ext4->needs_recovery());
    CHECK(ext4->zeroes_tables_later());
    CHECK(ext4->blocks_of(0) == Ext4Range{1, 8192});
    CHECK(ext4->blocks_of(7) == Ext4Range{57345, 4095});
    CHECK(ext4->group_of(0) == std::nullopt);
    CHECK(ext4->group_of(8192) == 0);
    CHECK(ext4->group_of(8193) == 1);
    CHECK(ext4->group_of(61440) == std::nullopt);
    CHECK(file_system.group(*ext4, 0) == Ext4Group{3, 11, {19, 480}, false, false});
    CHECK(file_system.group(*ext4, 1) == Ext4Group{4, 12, {499, 480}, true, false});
    CHECK(file_system.group(*ext4, 7) == Ext4Group{10, 18, {3379, 480}, false, false});
    const std::optional<Ext4Extents> journal = ext4->journal();
    REQUIRE(journal);
    CHECK(journal->nodes.empty());
    CHECK(journal->data == std::vector{Ext4Range{16385, 4096}});
}

TEST_CASE("a file system that does not fit its image, or cannot be, is none") {
    const FileSystem file_system;
    CHECK_FALSE(Ext4::parse(Ext4SuperblockBytes{}, image_size));
    CHECK(Ext4::parse(file_system.superblock(), Bytes(61440 * 1024)));
    CHECK_FALSE(Ext4::parse(file_system.superblock(), Bytes(61440 * 1024 - 512)));
    CHECK_FALSE(file_system.with(0x18, 4, 7));            // blocks of 128 KiB
    CHECK_FALSE(file_system.with(0x18, 4, 0xffffffff));   // a shift of that many bits
    CHECK_FALSE(file_system.with(0x4, 4, 1));             // no block behind the boot block
    CHECK_FALSE(file_system.with(0x150, 4, 0xffffffff));  // 2^64 blocks
    CHECK_FALSE(file_system.with(0xc, 4, 61441));         // more free blocks than blocks
    CHECK_FALSE(file_system.with(0x14, 4, 0));            // the first block
    CHECK_FALSE(file_system.with(0x20, 4, 0));            // blocks in a group
    CHECK_FALSE(file_system.with(0x20, 4, 8200));         // more than its bitmap has bits
    CHECK_FALSE(file_system.with(0x28, 4, 8193));         // inodes in a group
    CHECK_FALSE(file_system.with(0x58, 2, 2048));         // bytes of an inode
    CHECK_FALSE(file_system.with(0xfe, 2, 0));            // bytes of a descriptor
    CHECK_FALSE(file_system.with(0xfe, 2, 65535));
}

TEST_CASE("a file system with a feature that moves what is looked for is left alone") {
    const FileSystem file_system;
    CHECK_FALSE(file_system.with(0x60, 4, 0x2c2 | 0x10));   // meta_bg
    CHECK_FALSE(file_system.with(0x60, 4, 0x2c2 | 0x8));    // the device of a journal
    CHECK_FALSE(file_system.with(0x64, 4, 0x46b | 0x200));  // bigalloc
    const std::optional<Ext4> dirty = file_system.with(0x60, 4, 0x2c2 | 0x4);
    REQUIRE(dirty);
    CHECK(dirty->needs_recovery());
    const std::optional<Ext4> without = file_system.with(0xe0, 4, 0);
    REQUIRE(without);
    CHECK_FALSE(without->journal());
}

TEST_CASE("extents that lie outside of their file system are none") {
    const std::optional<Ext4> ext4 = Ext4::parse(FileSystem().superblock(), image_size);
    REQUIRE(ext4);
    const auto byte = [](unsigned value) { return std::byte(value); };
    const auto extent = [&](std::uint16_t length, std::uint32_t first) {
        return extent_node(
            0, 1,
            {byte(0), byte(0), byte(0), byte(0), byte(length & 255), byte(length >> 8), byte(0), byte(0),
             byte(first & 255), byte(first >> 8 & 255), byte(first >> 16), byte(0)});
    };
    REQUIRE(ext4->parse_extents(extent(40, 61400)));
    CHECK(ext4->parse_extents(extent(40, 61400))->data == std::vector{Ext4Range{61400, 40}});
    CHECK(ext4->parse_extents(extent(32768 + 40, 61400))->data == std::vector{Ext4Range{61400, 40}});
    CHECK_FALSE(ext4->parse_extents(extent(41, 61400)));
    CHECK_FALSE(ext4->parse_extents(extent(1, 61440)));
    CHECK_FALSE(ext4->parse_extents(extent(1, 0)));
    CHECK_FALSE(ext4->parse_extents(extent_node(0, 5, {})));  // more entries than there is room for
    CHECK_FALSE(ext4->parse_extents(ByteVector(60)));
    CHECK_FALSE(ext4->parse_extents(ByteVector(11)));
    const std::optional<Ext4Extents> inner =
        ext4->parse_extents(extent_node(1, 1, {byte(0), byte(0), byte(0), byte(0), byte(7)}));
    REQUIRE(inner);
    CHECK(inner->nodes == std::vector<std::uint64_t>{7});
}

}  // namespace regild::format
