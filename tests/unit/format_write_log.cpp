// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/write_log.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "base/crc32c.hpp"
#include "format_golden.hpp"

using namespace regild;
using namespace regild::format;
using test::golden_bytes;

namespace {

const BlockSize block_4k = *BlockSize::from_bytes(4096);
constexpr std::uint64_t bits = 4032;  // of one log sector

Superblock golden_superblock() {
    return {*Uuid::parse("7d0c5a4e-2f4b-4b5f-9c55-3f1f6c2b8a01"),
            *LogGeometry::make(to_bytes(Sectors(258397)), block_4k)};
}

SectorBytes sector(const ByteVector& bytes, std::size_t offset) {
    SectorBytes sector;
    std::memcpy(sector.data(), bytes.data() + offset, sector.size());
    return sector;
}

void put32(SectorBytes& bytes, std::size_t offset, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i)
        bytes[offset + i] = static_cast<std::byte>(value >> (8 * i));
}

// A superblock whose 4 bytes at `offset` say something else, with a checksum that is right.
SectorBytes forged(std::size_t offset, std::uint32_t value) {
    SectorBytes bytes = serialize_superblock(golden_superblock());
    put32(bytes, offset, value);
    put32(bytes, 508, crc32c(std::span(bytes).first(508)));
    return bytes;
}

BlockSet golden_marks() {
    BlockSet marks(Blocks(32300));
    for (const auto& [first, last] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
             {0, 0}, {5, 12}, {4030, 4033}, {32255, 32256}, {32299, 32299}})
        marks.insert({BlockIndex(first), Blocks(last - first + 1)});
    return marks;
}

}  // namespace

TEST_CASE("the geometry of a log follows from the volume's size and the block size") {
    const LogGeometry g = *LogGeometry::make(MiB(4096), *BlockSize::from_bytes(65536));
    CHECK(g.blocks() == Blocks(65536));
    CHECK(g.log_sectors() == 24);  // 17 are needed, in whole units
    CHECK(g.bitmap_offset() == Bytes(65536));
    CHECK(g.bitmap_length() == Bytes(12288));
    CHECK(g.record_offset(0) == Bytes(8192));
    CHECK(g.record_offset(1) == Bytes(77824));
    CHECK(g.superblock_offset(0) == Bytes(0));
    CHECK(g.superblock_offset(1) == Bytes(94208));
    CHECK(g.log_length() == Bytes(98304));
}

TEST_CASE("a volume may have one sector, or 2^31 blocks, and no more") {
    CHECK(LogGeometry::make(Bytes(512), block_4k)->blocks() == Blocks(1));
    const Bytes most(std::uint64_t{1} << 43);
    CHECK(LogGeometry::make(most, block_4k)->blocks() == Blocks(std::uint64_t{1} << 31));
    CHECK_FALSE(LogGeometry::make(most + Bytes(512), block_4k).ok());
    CHECK_FALSE(LogGeometry::make(Bytes(0), block_4k).ok());
    CHECK_FALSE(LogGeometry::make(Bytes(4097), block_4k).ok());
    CHECK_FALSE(LogGeometry::make(Bytes(UINT64_MAX - 511), block_4k).ok());
}

TEST_CASE("a superblock is written and read as the golden file has it") {
    const ByteVector golden = golden_bytes("superblock.bin");
    CHECK(serialize_superblock(golden_superblock()) == sector(golden, 0));
    const auto parsed = parse_superblock(sector(golden, 0));
    REQUIRE(parsed.ok());
    CHECK(*parsed == golden_superblock());
    const ByteVector log = golden_bytes("log-small.bin");
    CHECK(sector(log, parsed->geometry.superblock_offset(1).count()) == sector(golden, 0));
    CHECK(log.size() == parsed->geometry.log_length().count());
}

TEST_CASE("one flipped bit anywhere makes a superblock no superblock") {
    const SectorBytes good = serialize_superblock(golden_superblock());
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        SectorBytes bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        const auto parsed = parse_superblock(bad);
        REQUIRE_FALSE(parsed.ok());
        REQUIRE(parsed.error().kind == Failure::failed);
    }
    CHECK(parse_superblock(SectorBytes{}).error().kind == Failure::failed);
}

TEST_CASE("a valid superblock that this version does not understand is refused") {
    struct Forgery {
        const char* what;
        std::size_t offset;
        std::uint32_t value;
    };
    for (const Forgery& f :
         {Forgery{"version 0", 8, 0}, Forgery{"version 2", 8, 2}, Forgery{"a feature flag", 12, 1},
          Forgery{"the last feature flag", 12, 0x80000000}, Forgery{"no block size", 32, 0},
          Forgery{"blocks of 2 KiB", 32, 4}, Forgery{"blocks of 12 KiB", 32, 24},
          Forgery{"blocks of 1 MiB", 32, 2048}, Forgery{"a block size that overflows", 32, 0x80000008},
          Forgery{"one block more", 40, 32301}, Forgery{"2^32 blocks more", 44, 1}, Forgery{"no data", 48, 0},
          Forgery{"too much data", 52, 0xffffffff}, Forgery{"a bitmap elsewhere", 56, 0x11000},
          Forgery{"a shorter bitmap", 64, 4096}, Forgery{"a far longer bitmap", 68, 0x10000}}) {
        INFO(f.what);
        const auto parsed = parse_superblock(forged(f.offset, f.value));
        REQUIRE_FALSE(parsed.ok());
        CHECK(parsed.error().kind == Failure::refused);
    }
}

TEST_CASE("log sectors are written and read as the golden file has them") {
    const Superblock superblock = golden_superblock();
    const ByteVector golden = golden_bytes("log-small.bin");
    const BlockSet marks = golden_marks();
    BlockSet read(superblock.geometry.blocks());
    for (std::uint64_t index = 0; index < superblock.geometry.log_sectors(); ++index) {
        const SectorBytes expected = sector(golden, 65536 + 512 * index);
        CHECK(serialize_log_sector(superblock.uuid, index, marks) == expected);
        CHECK(read_log_sector(expected, superblock.uuid, index, read));
    }
    CHECK(read == marks);
}

TEST_CASE("a log sector whose checksum, index or uuid is wrong counts as all dirty") {
    const Uuid uuid = golden_superblock().uuid;
    const BlockSet none(Blocks(10000));
    const SectorBytes good = serialize_log_sector(uuid, 1, none);
    BlockSet marks(Blocks(10000));
    REQUIRE(read_log_sector(good, uuid, 1, marks));
    REQUIRE(marks.empty());

    const auto is_all_dirty = [&](const SectorBytes& bytes, const Uuid& seed) {
        BlockSet got(Blocks(10000));
        return !read_log_sector(bytes, seed, 1, got) && got.count() == Blocks(bits) &&
               *got.next_run(got.range()) == BlockRange{BlockIndex(bits), Blocks(bits)};
    };
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        SectorBytes bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
        REQUIRE(is_all_dirty(bad, uuid));
    }
    CHECK(is_all_dirty(good, Uuid()));
    CHECK(is_all_dirty(SectorBytes{}, uuid));
    CHECK(is_all_dirty(serialize_log_sector(uuid, 0, none), uuid));
}

TEST_CASE("a mark past the last block is not believed") {
    const Uuid uuid = golden_superblock().uuid;
    BlockSet longer(Blocks(bits + 11));
    longer.insert({BlockIndex(bits + 10), Blocks(1)});
    const SectorBytes bytes = serialize_log_sector(uuid, 1, longer);
    BlockSet marks(Blocks(bits + 10));
    CHECK_FALSE(read_log_sector(bytes, uuid, 1, marks));
    CHECK(marks.count() == Blocks(10));

    BlockSet shorter{Blocks(bits)};  // to whom sector 1 is padding
    CHECK_FALSE(read_log_sector(bytes, uuid, 1, shorter));
    CHECK(shorter.empty());
}

TEST_CASE("a part of the marks gives the same sectors as the whole") {
    const Uuid uuid = golden_superblock().uuid;
    BlockSet whole(Blocks(3 * bits - 50));
    BlockSet part({BlockIndex(bits), Blocks(2 * bits - 50)});
    for (const std::uint64_t block : {bits, bits + 7, 2 * bits - 1, 2 * bits, 3 * bits - 51}) {
        whole.insert({BlockIndex(block), Blocks(1)});
        part.insert({BlockIndex(block), Blocks(1)});
    }
    BlockSet read(part.range());
    for (std::uint64_t index = 1; index < 4; ++index) {
        const SectorBytes sector = serialize_log_sector(uuid, index, part);
        CHECK(sector == serialize_log_sector(uuid, index, whole));
        CHECK(read_log_sector(sector, uuid, index, read));
    }
    CHECK(read == part);
}

TEST_CASE("a padding sector tells of no block") {
    CHECK(blocks_of_log_sector(0, Blocks(5)) == BlockRange{BlockIndex(0), Blocks(5)});
    CHECK(blocks_of_log_sector(1, Blocks(5)).count == Blocks(0));
    CHECK(blocks_of_log_sector(UINT32_MAX, Blocks(5)).count == Blocks(0));
    const BlockSet full(Blocks(5), true);
    BlockSet marks(Blocks(5));
    CHECK(read_log_sector(serialize_log_sector(Uuid(), 7, full), Uuid(), 7, marks));
    CHECK(marks.empty());
}
