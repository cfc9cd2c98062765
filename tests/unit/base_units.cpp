// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/units.hpp"

#include <catch2/catch.hpp>

using namespace regild;

TEST_CASE("a block size is a power of two from 4 KiB to 512 KiB") {
    for (const std::uint64_t good : {4096, 8192, 65536, 524288}) {
        const Result<BlockSize> size = BlockSize::from_bytes(good);
        REQUIRE(size.ok());
        CHECK(size->bytes() == Bytes(good));
        CHECK(size->sectors() == Sectors(good / 512));
    }
    for (const std::uint64_t bad :
         std::initializer_list<std::uint64_t>{0, 1, 512, 2048, 4095, 12288, 65537, 1048576, UINT64_MAX})
        CHECK_FALSE(BlockSize::from_bytes(bad).ok());
}

TEST_CASE("a size is rounded up to whole blocks") {
    const BlockSize size = *BlockSize::from_bytes(65536);
    CHECK(size.blocks_in(Bytes(0)) == Blocks(0));
    CHECK(size.blocks_in(Bytes(1)) == Blocks(1));
    CHECK(size.blocks_in(Bytes(65536)) == Blocks(1));
    CHECK(size.blocks_in(Bytes(65537)) == Blocks(2));
    CHECK(size.blocks_in(Bytes(UINT64_MAX)) == Blocks(std::uint64_t{1} << 48));
    CHECK(size.offset_of(BlockIndex(3)) == KiB(192));
}

TEST_CASE("a size is read with an optional suffix") {
    CHECK(*parse_size("0") == Bytes(0));
    CHECK(*parse_size("512") == Bytes(512));
    CHECK(*parse_size("64K") == KiB(64));
    CHECK(*parse_size("64k") == KiB(64));
    CHECK(*parse_size("4M") == MiB(4));
    CHECK(*parse_size("1t") == MiB(1 << 20));
    CHECK(*parse_size("3G") == MiB(3072));
    CHECK(*parse_size("2T") == MiB(2 << 20));
    CHECK(*parse_size("18446744073709551615") == Bytes(UINT64_MAX));
}

TEST_CASE("what is not a size is refused") {
    for (const char* bad : {"", "K", "-1", "+1", " 1", "1 ", "1KB", "1KK", "1.5M", "0x10",
                            "18446744073709551616", "16777216T", "99999999999999999999999"}) {
        const Result<Bytes> size = parse_size(bad);
        INFO(bad);
        REQUIRE_FALSE(size.ok());
        CHECK(size.error().kind == Failure::usage);
    }
}

TEST_CASE("sizes are shown in the largest unit, whole ones without a fraction") {
    CHECK(format_size(Bytes(0)) == "0 B");
    CHECK(format_size(Bytes(1023)) == "1023 B");
    CHECK(format_size(KiB(64)) == "64 KiB");
    CHECK(format_size(Bytes(43515904)) == "41.5 MiB");
    CHECK(format_size(MiB(4096)) == "4 GiB");
    CHECK(format_size(Bytes(UINT64_MAX)) == "16.0 EiB");
}
