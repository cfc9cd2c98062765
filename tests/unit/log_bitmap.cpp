// SPDX-License-Identifier: GPL-2.0-or-later
// The bitmap of a volume whose marks are read in several pieces.
#include "log/bitmap.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "log_fixture.hpp"
#include "memory_storage.hpp"

using namespace regild;
using namespace regild::log;
using format::LogGeometry;
using test::blocks;
using test::marks_of;
using test::MemoryStorage;
using test::opened;
using test::Operation;
using test::piece;

namespace {

constexpr std::uint64_t size = 2 * piece + 100000;
constexpr Bytes bitmap(65536);

LogGeometry geometry() {
    const BlockSize block_size = *BlockSize::from_bytes(4096);
    return *LogGeometry::make(block_size.bytes_of(Blocks(size)), block_size);
}

// A log without a mark.
MemoryStorage clean_disk() {
    MemoryStorage disk(geometry().log_length());
    auto log = WriteLog::format(disk, geometry(), test::record_of(format::VolumeState::golden));
    REQUIRE(log.ok());
    const BlockRange all = blocks(0, size);
    REQUIRE(log->bitmap().clear({&all, 1}).ok());
    return MemoryStorage(disk.content());
}

}  // namespace

TEST_CASE("a long bitmap is formatted, read and counted whole") {
    MemoryStorage disk(geometry().log_length());
    auto log = WriteLog::format(disk, geometry(), test::record_of(format::VolumeState::golden));
    REQUIRE(log.ok());
    CHECK(log->bitmap().marked() == Blocks(size));
    CHECK(opened(disk).bitmap().marked() == Blocks(size));
    CHECK(marks_of(opened(disk)) == BlockSet(Blocks(size), true));
}

TEST_CASE("the pieces cover the volume without a gap") {
    MemoryStorage disk = clean_disk();
    const WriteLog log = opened(disk);
    CHECK(log.bitmap().read(BlockIndex(0)).range() == blocks(0, piece));
    CHECK(log.bitmap().read(BlockIndex(piece - 1)).range() == blocks(0, piece));
    CHECK(log.bitmap().read(BlockIndex(piece)).range() == blocks(piece, piece));
    CHECK(log.bitmap().read(BlockIndex(size - 1)).range() == blocks(2 * piece, 100000));
}

TEST_CASE("a piece without a mark is not read again") {
    MemoryStorage disk = clean_disk();
    WriteLog log = opened(disk);
    const BlockRange one = blocks(piece + 5, 1);
    REQUIRE(log.bitmap().mark({&one, 1}).ok());
    disk.start_trace();
    CHECK(marks_of(log) == test::set_of(Blocks(size), {one}));
    REQUIRE(disk.trace().size() == 1);
    CHECK(disk.trace()[0].offset == bitmap + MiB(1));
}

TEST_CASE("marks set and cleared across pieces are those of a plain set") {
    MemoryStorage disk = clean_disk();
    WriteLog log = opened(disk);
    BlockSet model{Blocks(size)};
    std::mt19937_64 random(11);  // NOLINT: the same sequence in every run
    for (int step = 0; step < 40; ++step) {
        const bool to_mark = step % 3 != 2;
        std::vector<BlockRange> ranges;
        for (int i = 0; i < 5; ++i) {
            // Near the ends of pieces, or anywhere, or very long.
            const std::uint64_t first = i < 2   ? (1 + random() % 2) * piece - random() % 5000
                                        : i < 4 ? random() % size
                                                : random() % piece;
            const std::uint64_t longest = i < 4 ? 10000 : size;
            ranges.push_back(blocks(first, 1 + random() % std::min(longest, size - first)));
        }
        if (step % 4 != 0) ranges.pop_back();
        for (const BlockRange range : ranges)
            to_mark ? model.insert(range) : model.erase(range);
        REQUIRE((to_mark ? log.bitmap().mark(ranges) : log.bitmap().clear(ranges)).ok());
        REQUIRE(log.bitmap().marked() == model.count());
    }
    disk.cut_power();
    CHECK(marks_of(log) == model);
    const WriteLog again = opened(disk);
    CHECK(again.bitmap().marked() == model.count());
    CHECK(marks_of(again) == model);
}

TEST_CASE("of a range only the units that tell of it are written, each once, and flushed together") {
    MemoryStorage disk = clean_disk();
    WriteLog log = opened(disk);
    disk.start_trace();
    const std::vector<BlockRange> ranges = {blocks(piece - 1, 2), blocks(3, 1), blocks(1, 5)};
    REQUIRE(log.bitmap().mark(ranges).ok());
    std::vector<Bytes> written;
    int flushes = 0;
    for (const Operation& operation : disk.trace()) {
        if (operation.kind == Operation::Kind::flush) ++flushes;
        if (operation.kind != Operation::Kind::write) continue;
        CHECK(operation.length == KiB(4));
        written.push_back(operation.offset);
    }
    CHECK(flushes == 1);
    CHECK(written == std::vector<Bytes>{bitmap, bitmap + MiB(1) - KiB(4), bitmap + MiB(1)});
    CHECK(disk.trace().back().kind == Operation::Kind::flush);
}

TEST_CASE("a unit that becomes unreadable is marked but for what is cleared, and counted so") {
    MemoryStorage disk = clean_disk();
    WriteLog log = opened(disk);
    const BlockRange session = blocks(piece + 10, 20);
    REQUIRE(log.bitmap().mark({&session, 1}).ok());
    disk.make_unreadable(bitmap + MiB(1), Bytes(512));
    const BlockRange restored = blocks(piece + 10, 5);
    REQUIRE(log.bitmap().clear({&restored, 1}).ok());

    BlockSet expected = test::set_of(Blocks(size), {blocks(piece, std::uint64_t{8} * 4032)});
    expected.erase(restored);
    CHECK(log.bitmap().marked() == expected.count());
    CHECK(marks_of(log) == expected);
    CHECK(marks_of(opened(disk)) == expected);
}

TEST_CASE("a unit that could not be read stays marked when it can be read again") {
    MemoryStorage disk = clean_disk();
    disk.make_unreadable(bitmap + MiB(1), Bytes(512));
    disk.heal_after(2);  // the scan, and its second try unit by unit
    WriteLog log = opened(disk);
    const BlockRange unit = blocks(piece, std::uint64_t{8} * 4032);
    BlockSet expected = test::set_of(Blocks(size), {unit});
    REQUIRE(log.bitmap().untrusted() == unit.count);
    CHECK(test::all_marks(log).untrusted == expected);

    SECTION("but for what is cleared") {
        const BlockRange restored = blocks(piece + 10, 5);
        REQUIRE(log.bitmap().clear({&restored, 1}).ok());
        expected.erase(restored);
    }
    SECTION("and all of it is marked on the log when that is asked for") {
        REQUIRE(log.bitmap().mark_untrusted().ok());
    }
    CHECK(log.bitmap().untrusted() == Blocks(0));
    CHECK(log.bitmap().marked() == expected.count());
    CHECK(marks_of(log) == expected);
    CHECK(marks_of(opened(disk)) == expected);
}

TEST_CASE("what may not have landed is not trusted") {
    for (const Operation::Kind kind : {Operation::Kind::write, Operation::Kind::flush}) {
        for (const bool to_mark : {true, false}) {
            MemoryStorage disk = clean_disk();
            WriteLog log = opened(disk);
            const BlockRange some = blocks(piece + 10, 5);
            REQUIRE(log.bitmap().mark({&some, 1}).ok());
            disk.fail_only(kind);
            disk.fail_at(1);
            REQUIRE_FALSE((to_mark ? log.bitmap().mark({&some, 1}) : log.bitmap().clear({&some, 1})).ok());
            const BlockSet unit = test::set_of(Blocks(size), {blocks(piece, std::uint64_t{8} * 4032)});
            CHECK(log.bitmap().marked() == unit.count());
            CHECK(test::all_marks(log).untrusted == unit);
        }
    }
}
