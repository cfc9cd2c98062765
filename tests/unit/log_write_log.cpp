// SPDX-License-Identifier: GPL-2.0-or-later
#include "log/write_log.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "base/crc32c.hpp"
#include "format_golden.hpp"
#include "log_fixture.hpp"
#include "memory_storage.hpp"

using namespace regild;
using namespace regild::log;
using format::LogGeometry;
using format::VolumeState;
using test::all_marks;
using test::marks_of;
using test::MemoryStorage;
using test::opened;
using test::Operation;
using test::record_of;
using test::set_of;

namespace {

constexpr std::uint64_t bits = 4032;  // of one log sector
constexpr Bytes bitmap(65536);

BlockRange range(std::uint64_t first, std::uint64_t last) {
    return {BlockIndex(first), Blocks(last - first + 1)};
}

// 64 KiB blocks enough for `sectors` log sectors, the last one short.
LogGeometry geometry_of(std::uint64_t sectors) {
    const BlockSize size = *BlockSize::from_bytes(65536);
    return *LogGeometry::make(size.bytes_of(Blocks(sectors * bits - 100)), size);
}

MemoryStorage formatted(const LogGeometry& geometry) {
    MemoryStorage disk(geometry.log_length());
    REQUIRE(WriteLog::format(disk, geometry, record_of(VolumeState::provisioning)).ok());
    return MemoryStorage(disk.content());
}

void damage(MemoryStorage& disk, Bytes offset) {
    std::byte byte = disk.content()[offset.count()];
    byte ^= std::byte{0x40};
    disk.overwrite(offset, {&byte, 1});
}

}  // namespace

TEST_CASE("the golden log is read as it was made") {
    MemoryStorage disk(test::golden_bytes("log-small.bin"));
    WriteLog log = opened(disk);
    CHECK(log.superblock().uuid.text() == "7d0c5a4e-2f4b-4b5f-9c55-3f1f6c2b8a01");
    CHECK(log.geometry().data_size() == to_bytes(Sectors(258397)));
    CHECK(log.geometry().blocks() == Blocks(32300));
    CHECK(marks_of(log) == set_of(Blocks(32300), {range(0, 0), range(5, 12), range(4030, 4033),
                                                  range(32255, 32256), range(32299, 32299)}));
    CHECK(log.bitmap().untrusted() == Blocks(0));
    REQUIRE(log.record());
    CHECK(log.record()->sequence == 3);  // slot 0; the record in slot 1 is older
    CHECK(log.record()->state == VolumeState::golden);
}

TEST_CASE("marking the golden log gives the other golden log byte for byte") {
    MemoryStorage disk(test::golden_bytes("log-small.bin"));
    WriteLog log = opened(disk);
    const std::vector<BlockRange> further = {range(2, 3),        range(100, 163),     range(4000, 4100),
                                             range(8063, 8064),  range(28224, 28230), range(32250, 32260),
                                             range(32298, 32299)};
    REQUIRE(log.bitmap().mark(further).ok());
    CHECK(disk.content() == test::golden_bytes("log-small-marked.bin"));
}

TEST_CASE("a new log has every block marked, a record and two superblocks") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk = formatted(geometry);
    WriteLog log = opened(disk);
    CHECK(log.geometry() == geometry);
    CHECK(log.bitmap().marked() == geometry.blocks());
    CHECK(log.bitmap().untrusted() == Blocks(0));
    REQUIRE(log.record());
    CHECK(log.record()->sequence == 1);
    CHECK(log.record()->state == VolumeState::provisioning);
    const auto first = disk.content().begin();
    CHECK(std::equal(first, first + 512,
                     first + static_cast<std::ptrdiff_t>(geometry.superblock_offset(1).count())));
}

TEST_CASE("marks and cleared marks are there after a power cut") {
    const LogGeometry geometry = geometry_of(17);
    MemoryStorage disk = formatted(geometry);
    {
        WriteLog log = opened(disk);
        const BlockRange all{BlockIndex(0), geometry.blocks()};
        REQUIRE(log.bitmap().clear({&all, 1}).ok());
        const std::vector<BlockRange> marks = {range(40000, 40001), range(0, 0), range(4031, 4032),
                                               range(40001, 40010)};
        REQUIRE(log.bitmap().mark(marks).ok());
        const BlockRange cleared = range(40005, 40007);
        REQUIRE(log.bitmap().clear({&cleared, 1}).ok());
        disk.cut_power();
    }
    CHECK(marks_of(opened(disk)) == set_of(geometry.blocks(), {range(0, 0), range(4031, 4032),
                                                               range(40000, 40004), range(40008, 40010)}));
}

TEST_CASE("marking writes the touched units and nothing else, then flushes once") {
    const LogGeometry geometry = geometry_of(24);  // three units
    MemoryStorage disk = formatted(geometry);
    WriteLog log = opened(disk);
    disk.start_trace();
    const std::vector<BlockRange> ranges = {range(70000, 70001), range(1, 1), range(5, 6)};
    REQUIRE(log.bitmap().mark(ranges).ok());
    std::vector<Operation> trace = disk.trace();
    std::erase_if(trace, [](const Operation& operation) { return operation.kind == Operation::Kind::read; });
    REQUIRE(trace.size() == 3);
    CHECK(trace[0].kind == Operation::Kind::write);
    CHECK(trace[0].offset == bitmap);
    CHECK(trace[0].length == KiB(4));
    CHECK(trace[1].offset == bitmap + KiB(8));
    CHECK(trace[1].length == KiB(4));
    CHECK(trace[2].kind == Operation::Kind::flush);
}

TEST_CASE("a damaged log sector counts as all dirty, its neighbours do not") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk = formatted(geometry);
    {
        WriteLog log = opened(disk);
        const BlockRange all{BlockIndex(0), geometry.blocks()};
        REQUIRE(log.bitmap().clear({&all, 1}).ok());
    }
    damage(disk, bitmap + Bytes(2 * 512 + 100));
    WriteLog log = opened(disk);
    const BlockSet expected = set_of(geometry.blocks(), {range(2 * bits, 3 * bits - 1)});
    CHECK(marks_of(log) == expected);
    CHECK(all_marks(log).untrusted == expected);

    SECTION("and is rewritten all-ones by the first mark in it") {
        const BlockRange one = range(2 * bits + 5, 2 * bits + 5);
        REQUIRE(log.bitmap().mark({&one, 1}).ok());
        CHECK(log.bitmap().untrusted() == Blocks(0));
        WriteLog again = opened(disk);
        CHECK(marks_of(again) == expected);
        CHECK(again.bitmap().untrusted() == Blocks(0));
    }
    SECTION("and keeps what was not cleared when a part is cleared") {
        const BlockRange part = range(2 * bits, 2 * bits + 99);
        REQUIRE(log.bitmap().clear({&part, 1}).ok());
        const BlockSet rest = set_of(geometry.blocks(), {range(2 * bits + 100, 3 * bits - 1)});
        CHECK(marks_of(log) == rest);
        CHECK(log.bitmap().untrusted() == Blocks(0));
        WriteLog again = opened(disk);
        CHECK(marks_of(again) == rest);
        CHECK(again.bitmap().untrusted() == Blocks(0));
    }
}

TEST_CASE("a unit of the bitmap that cannot be read counts as all dirty") {
    const LogGeometry geometry = geometry_of(24);
    MemoryStorage disk = formatted(geometry);
    {
        WriteLog log = opened(disk);
        const BlockRange all{BlockIndex(0), geometry.blocks()};
        REQUIRE(log.bitmap().clear({&all, 1}).ok());
    }
    disk.make_unreadable(bitmap + KiB(4) + Bytes(700), Bytes(1));
    WriteLog log = opened(disk);
    const BlockSet expected = set_of(geometry.blocks(), {range(8 * bits, 16 * bits - 1)});
    CHECK(marks_of(log) == expected);
    CHECK(all_marks(log).untrusted == expected);

    // Writing heals the disk; what was read as dirty must not come back as clean.
    const BlockRange one = range(8 * bits, 8 * bits);
    REQUIRE(log.bitmap().mark({&one, 1}).ok());
    WriteLog again = opened(disk);
    CHECK(marks_of(again) == expected);
    CHECK(again.bitmap().untrusted() == Blocks(0));
}

TEST_CASE("a blank, small or foreign disk holds no log") {
    for (const std::uint64_t size : {0, 512, 4096, 65536, 90112, 1 << 20}) {
        MemoryStorage disk{Bytes(size)};
        const auto log = WriteLog::open(disk);
        REQUIRE(log.ok());
        CHECK_FALSE(*log);
    }
    MemoryStorage foreign(ByteVector(1 << 20, std::byte{0x5a}));
    CHECK_FALSE(*WriteLog::open(foreign));
}

TEST_CASE("the second superblock serves when the first is damaged or unreadable, and repairs it") {
    for (const std::uint64_t spare : {0, 4096, 3 << 20}) {  // behind the log, on its device
        const LogGeometry geometry = geometry_of(9);
        MemoryStorage disk(geometry.log_length() + Bytes(spare));
        REQUIRE(WriteLog::format(disk, geometry, record_of(VolumeState::golden)).ok());
        const ByteVector good = disk.content();
        SECTION("damaged, " + std::to_string(spare) + " bytes spare") {
            damage(disk, Bytes(40));
        }
        SECTION("unreadable, " + std::to_string(spare) + " bytes spare") {
            disk.make_unreadable(Bytes(0), Bytes(1));
        }
        WriteLog log = opened(disk);
        CHECK(log.record()->state == VolumeState::golden);
        REQUIRE(log.repair().ok());
        CHECK(disk.content() == good);
        const std::uint64_t flushes = disk.flushes();
        REQUIRE(log.repair().ok());
        CHECK(disk.flushes() == flushes);  // nothing left to do
    }
}

TEST_CASE("a damaged second superblock is repaired from the first") {
    const LogGeometry geometry = geometry_of(1);
    MemoryStorage disk = formatted(geometry);
    const ByteVector good = disk.content();
    damage(disk, geometry.superblock_offset(1));
    REQUIRE(opened(disk).repair().ok());
    CHECK(disk.content() == good);
}

TEST_CASE("an I/O error is an error, never a missing log") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk = formatted(geometry);
    disk.make_unreadable(Bytes(0), KiB(4));
    disk.make_unreadable(geometry.superblock_offset(1), KiB(4));
    const auto log = WriteLog::open(disk);
    REQUIRE_FALSE(log.ok());
    CHECK(log.error().kind == Failure::disk);

    MemoryStorage blank{MiB(1)};
    blank.make_unreadable(geometry.superblock_offset(1), Bytes(512));
    CHECK_FALSE(WriteLog::open(blank).ok());
}

TEST_CASE("a disk that cannot be read at all does not keep us for ever") {
    MemoryStorage disk{MiB(2)};
    disk.make_unreadable(Bytes(0), MiB(2));
    CHECK_FALSE(WriteLog::open(disk).ok());
    CHECK_FALSE(WriteLog::format(disk, geometry_of(1), record_of(VolumeState::golden)).ok());
}

TEST_CASE("a superblock of an unknown version is refused, be it the first or the second") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk = formatted(geometry);
    format::SectorBytes bytes;
    std::memcpy(bytes.data(), disk.content().data(), bytes.size());
    bytes[8] = std::byte{2};
    const std::uint32_t crc = crc32c(std::span(bytes).first(508));
    for (std::size_t i = 0; i < 4; ++i)
        bytes[508 + i] = static_cast<std::byte>(crc >> (8 * i));
    SECTION("first") {
        disk.overwrite(Bytes(0), bytes);
    }
    SECTION("second") {
        damage(disk, Bytes(0));
        disk.overwrite(geometry.superblock_offset(1), bytes);
    }
    const auto log = WriteLog::open(disk);
    REQUIRE_FALSE(log.ok());
    CHECK(log.error().kind == Failure::refused);
}

TEST_CASE("a superblock that says more than the device holds is refused") {
    const LogGeometry geometry = geometry_of(9);
    const MemoryStorage disk = formatted(geometry);
    ByteVector cut = disk.content();
    cut.resize(cut.size() - 4096);
    MemoryStorage shorter(cut);
    CHECK(WriteLog::open(shorter).error().kind == Failure::refused);
    MemoryStorage small{KiB(64)};
    CHECK(WriteLog::format(small, geometry, record_of(VolumeState::golden)).error().kind == Failure::refused);
}

TEST_CASE("a superblock that says more than the device holds costs no memory") {
    const BlockSize size = *BlockSize::from_bytes(65536);
    const LogGeometry longest = *LogGeometry::make(size.bytes_of(Blocks(std::uint64_t{1} << 31)), size);
    const format::SectorBytes sector = format::serialize_superblock({*Uuid::random(), longest});
    ByteVector bytes(MiB(1).count());
    std::copy(sector.begin(), sector.end(), bytes.begin());
    MemoryStorage disk(bytes);
    const auto peak_kib = [] {
        struct rusage usage {};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    const long before = peak_kib();
    CHECK(WriteLog::open(disk).error().kind == Failure::refused);
    CHECK(peak_kib() - before < 64 * 1024);
}

TEST_CASE("a device whose sectors are larger than a unit is refused") {
    MemoryStorage disk(MiB(1), KiB(8));
    CHECK(WriteLog::open(disk).error().kind == Failure::refused);
    CHECK(WriteLog::format(disk, geometry_of(1), record_of(VolumeState::golden)).error().kind ==
          Failure::refused);
}

TEST_CASE("a log works on sectors of 4 KiB as on those of 512 bytes") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk(geometry.log_length(), KiB(4));
    REQUIRE(WriteLog::format(disk, geometry, record_of(VolumeState::provisioning)).ok());
    WriteLog log = opened(disk);
    const BlockRange some = range(100, 20000);
    REQUIRE(log.bitmap().clear({&some, 1}).ok());
    REQUIRE(log.write_record(record_of(VolumeState::restoring)).ok());
    CHECK(marks_of(opened(disk)) == marks_of(log));
}

TEST_CASE("a copy that an older and longer log left behind is not found after a new format") {
    const LogGeometry longer = geometry_of(100);
    const LogGeometry shorter = geometry_of(1);
    MemoryStorage disk(longer.log_length());
    REQUIRE(WriteLog::format(disk, longer, record_of(VolumeState::golden)).ok());
    REQUIRE(WriteLog::format(disk, shorter, record_of(VolumeState::provisioning)).ok());
    damage(disk, Bytes(0));
    CHECK(opened(disk).geometry() == shorter);
    damage(disk, shorter.superblock_offset(1));
    CHECK_FALSE(*WriteLog::open(disk));
}

TEST_CASE("records alternate between their slots and the newest counts") {
    MemoryStorage disk = formatted(geometry_of(1));
    for (std::uint64_t version = 8; version < 14; ++version) {
        WriteLog log = opened(disk);
        disk.start_trace();
        REQUIRE(log.write_record(record_of(VolumeState::restoring, version)).ok());
        REQUIRE(disk.trace().size() == 2);
        CHECK(disk.trace()[0].offset == log.geometry().record_offset(version % 2 == 0 ? 1 : 0));
        WriteLog again = opened(disk);
        CHECK(again.record()->image_version == version);
        CHECK(again.record()->sequence == version - 6);
        CHECK(again.record() == log.record());
    }
    SECTION("a damaged newest record leaves the one before") {
        damage(disk, opened(disk).geometry().record_offset(0) + Bytes(5000));
        CHECK(opened(disk).record()->image_version == 12);
    }
    SECTION("with both damaged there is none") {
        damage(disk, opened(disk).geometry().record_offset(0) + Bytes(20));
        damage(disk, opened(disk).geometry().record_offset(1) + Bytes(20));
        WriteLog log = opened(disk);
        CHECK_FALSE(log.record());
        REQUIRE(log.write_record(record_of(VolumeState::restoring, 20)).ok());
        CHECK(opened(disk).record()->image_version == 20);
    }
}

TEST_CASE("a record slot that cannot be read may hold the newer record: none is believed") {
    MemoryStorage disk = formatted(geometry_of(1));
    {
        WriteLog log = opened(disk);
        REQUIRE(log.write_record(record_of(VolumeState::golden)).ok());     // sequence 2, slot 1
        REQUIRE(log.write_record(record_of(VolumeState::restoring)).ok());  // sequence 3, slot 0
    }
    const LogGeometry geometry = opened(disk).geometry();
    const Bytes newest = geometry.record_offset(0);
    const ByteVector before(disk.content().begin() + static_cast<std::ptrdiff_t>(newest.count()),
                            disk.content().begin() + static_cast<std::ptrdiff_t>(newest.count() + 16384));
    disk.make_unreadable(newest, Bytes(512));
    WriteLog log = opened(disk);
    CHECK_FALSE(log.record());

    // The next record heals the slot, and wins over both.
    REQUIRE(log.write_record(record_of(VolumeState::provisioning, 9)).ok());
    CHECK(opened(disk).record()->image_version == 9);
    REQUIRE(log.write_record(record_of(VolumeState::golden, 10)).ok());
    disk.overwrite(newest, before);
    CHECK(opened(disk).record()->image_version == 10);
}

TEST_CASE("a record that takes an unreadable slot's place wins, also where nothing else told the sequence") {
    MemoryStorage disk = formatted(geometry_of(1));
    {
        WriteLog log = opened(disk);
        REQUIRE(log.write_record(record_of(VolumeState::golden)).ok());     // sequence 2, slot 1
        REQUIRE(log.write_record(record_of(VolumeState::restoring)).ok());  // sequence 3, slot 0
    }
    const LogGeometry geometry = opened(disk).geometry();
    const Bytes newest = geometry.record_offset(0);
    const ByteVector before(disk.content().begin() + static_cast<std::ptrdiff_t>(newest.count()),
                            disk.content().begin() + static_cast<std::ptrdiff_t>(newest.count() + 16384));
    damage(disk, geometry.record_offset(1) + Bytes(20));
    disk.make_unreadable(newest, Bytes(512));
    WriteLog log = opened(disk);
    CHECK_FALSE(log.record());
    REQUIRE(log.write_record(record_of(VolumeState::provisioning, 9)).ok());
    REQUIRE(log.write_record(record_of(VolumeState::golden, 10)).ok());
    disk.overwrite(newest, before);
    CHECK(opened(disk).record()->image_version == 10);
}

TEST_CASE("the last sequence number of a record is not followed by another") {
    MemoryStorage disk = formatted(geometry_of(1));
    WriteLog first = opened(disk);
    format::ImageRecord last = record_of(VolumeState::golden, 8);
    last.sequence = format::max_record_sequence;
    disk.overwrite(first.geometry().record_offset(1),
                   *format::serialize_image_record(last, first.superblock().uuid));
    WriteLog log = opened(disk);
    CHECK(log.record()->image_version == 8);
    CHECK(log.write_record(record_of(VolumeState::restoring, 9)).error().kind == Failure::refused);
    CHECK(opened(disk).record()->image_version == 8);
}

TEST_CASE("a log error is passed on, and in doubt blocks stay marked") {
    const LogGeometry geometry = geometry_of(9);
    const BlockRange all{BlockIndex(0), geometry.blocks()};
    for (const Operation::Kind kind : {Operation::Kind::write, Operation::Kind::flush}) {
        MemoryStorage disk = formatted(geometry);
        WriteLog log = opened(disk);
        disk.fail_only(kind);
        disk.fail_at(1);
        CHECK_FALSE(log.bitmap().clear({&all, 1}).ok());
        CHECK(log.bitmap().marked() == geometry.blocks());

        REQUIRE(log.bitmap().clear({&all, 1}).ok());
        disk.fail_at(1);
        CHECK_FALSE(log.bitmap().mark({&all, 1}).ok());
        CHECK(log.bitmap().marked() == geometry.blocks());

        disk.fail_at(1);
        CHECK_FALSE(log.write_record(record_of(VolumeState::golden)).ok());
        CHECK(log.record()->state == VolumeState::provisioning);
    }
}

TEST_CASE("a format that fails at any operation leaves no log or the old one") {
    const LogGeometry geometry = geometry_of(9);
    MemoryStorage disk = formatted(geometry);
    const ByteVector old = disk.content();
    for (std::uint64_t n = 1;; ++n) {
        MemoryStorage fresh(old);
        fresh.fail_at(n, true);
        const bool done = WriteLog::format(fresh, geometry, record_of(VolumeState::provisioning, 8)).ok();
        fresh.never_fail();
        const auto log = WriteLog::open(fresh);
        REQUIRE(log.ok());
        if (*log) REQUIRE((*log)->bitmap().marked() == geometry.blocks());
        if (done) break;
        REQUIRE(n < 100);
    }
}
