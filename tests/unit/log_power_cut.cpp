// SPDX-License-Identifier: GPL-2.0-or-later
// Power cuts at every write of the log, with every un-flushed sector landed or lost: afterwards the log tells
// the old truth or the new one (invariants 2, 3 and 8).
#include <catch2/catch.hpp>

#include "format/manifest.hpp"
#include "log_fixture.hpp"
#include "memory_storage.hpp"

using namespace regild;
using namespace regild::log;
using format::ImageRecord;
using format::LogGeometry;
using format::VolumeState;
using test::MemoryStorage;

namespace {

LogGeometry small_geometry() {
    const BlockSize size = *BlockSize::from_bytes(4096);
    return *LogGeometry::make(size.bytes_of(Blocks(32300)), size);  // nine log sectors in two units
}

ImageRecord long_record(VolumeState state, std::uint64_t version) {
    ImageRecord record = test::record_of(state, version);
    record.manifest = std::string(format::max_manifest_size, static_cast<char>('a' + version));
    record.before.manifest = record.staged.manifest = record.manifest;
    record.channels = {format::max_channels, {std::string(format::max_channel_size, record.manifest[0]), ""}};
    return record;
}

// What a power cut has left: the disk, and the log on it.
struct AfterCut {
    explicit AfterCut(const ByteVector& content) : disk(content) {
        auto opened = WriteLog::open(disk);
        REQUIRE(opened.ok());
        log = std::move(*opened);
    }
    MemoryStorage disk;
    std::optional<WriteLog> log;
};

}  // namespace

TEST_CASE("a power cut while a log is formatted leaves the old log, none, or the new one whole") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(WriteLog::format(disk, geometry, long_record(VolumeState::golden, 1)).ok());
    WriteLog old = **WriteLog::open(disk);
    const BlockRange most{BlockIndex(0), Blocks(32000)};
    REQUIRE(old.bitmap().clear({&most, 1}).ok());
    const BlockSet old_marks = test::marks_of(old);
    const ByteVector before = disk.content();

    disk.start_trace();
    const auto created = WriteLog::format(disk, geometry, long_record(VolumeState::provisioning, 2));
    REQUIRE(created.ok());
    int old_seen = 0;
    int none_seen = 0;
    int new_seen = 0;
    test::for_each_power_cut(before, disk.trace(), [&](const ByteVector& content) {
        AfterCut cut(content);
        const std::optional<WriteLog>& log = cut.log;
        if (!log) {
            ++none_seen;
            REQUIRE(*WriteLog::is_unfinished(cut.disk));
            return;
        }
        REQUIRE(log->record());
        REQUIRE(log->bitmap().untrusted() == Blocks(0));
        if (log->superblock() == old.superblock()) {
            ++old_seen;
            REQUIRE(log->record()->image_version == 1);
            REQUIRE(test::marks_of(*log) == old_marks);
        } else {
            ++new_seen;
            REQUIRE(log->superblock() == created->superblock());
            REQUIRE(log->record() == created->record());
            REQUIRE(log->bitmap().marked() == geometry.blocks());
        }
    });
    CHECK(old_seen > 0);
    CHECK(none_seen > 0);
    CHECK(new_seen > 0);
}

TEST_CASE("a power cut while a log is laid out anew leaves the old layout or the new one, with the record") {
    const BlockSize block_size = *BlockSize::from_bytes(4096);
    const auto geometry_of = [&](std::uint64_t blocks) {
        return *LogGeometry::make(block_size.bytes_of(Blocks(blocks)), block_size);
    };
    // One unit of marks, two, five: second superblock and second record slot of the one lie in the other's.
    const auto sizes = GENERATE(std::pair(20, 40), std::pair(20, 40000), std::pair(40000, 20),
                                std::pair(40000, 150000), std::pair(150000, 40000));
    const LogGeometry from = geometry_of(static_cast<std::uint64_t>(sizes.first));
    const LogGeometry to = geometry_of(static_cast<std::uint64_t>(sizes.second));
    MemoryStorage disk(geometry_of(150000).log_length());
    REQUIRE(WriteLog::format(disk, from, long_record(VolumeState::provisioning, 1)).ok());
    WriteLog log = **WriteLog::open(disk);
    if (GENERATE(false, true)) REQUIRE(log.write_record(long_record(VolumeState::provisioning, 2)).ok());
    const ImageRecord record = *log.record();
    const format::Superblock old = log.superblock();
    const ByteVector before = disk.content();
    disk.start_trace();
    REQUIRE(log.lay_out(to).ok());
    bool old_seen = false;
    bool new_seen = false;
    test::for_each_power_cut(before, disk.trace(), [&](const ByteVector& content) {
        AfterCut cut(content);
        REQUIRE(cut.log);
        REQUIRE(cut.log->record());
        ImageRecord found = *cut.log->record();
        found.sequence = record.sequence;
        REQUIRE(found == record);
        if (cut.log->superblock() == old) {
            old_seen = true;
            REQUIRE(cut.log->lay_out(to).ok());
        } else {
            new_seen = true;
        }
        REQUIRE(cut.log->geometry() == to);
        REQUIRE(cut.log->bitmap().marked() == to.blocks());
        REQUIRE(cut.log->repair().ok());
        // Not the first superblock alone tells: where it is bad the second one does.
        cut.disk.overwrite(Bytes(0), ByteVector(4096));
        const AfterCut again(cut.disk.content());
        REQUIRE(again.log);
        REQUIRE(again.log->geometry() == to);
        REQUIRE(again.log->bitmap().marked() == to.blocks());
        REQUIRE(again.log->record()->image_version == record.image_version);
    });
    CHECK(old_seen);
    CHECK(new_seen);
}

TEST_CASE("a power cut while marks are set or cleared loses none that was durable") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(WriteLog::format(disk, geometry, long_record(VolumeState::golden, 1)).ok());
    WriteLog log = **WriteLog::open(disk);
    const std::vector<BlockRange> cleared = {{BlockIndex(0), Blocks(20)}, {BlockIndex(3000), Blocks(29300)}};
    REQUIRE(log.bitmap().clear(cleared).ok());

    const auto check_between = [&](const BlockSet& before, const BlockSet& after, const ByteVector& start) {
        test::for_each_power_cut(start, disk.trace(), [&](const ByteVector& content) {
            const AfterCut cut(content);
            REQUIRE(cut.log);
            REQUIRE(cut.log->bitmap().untrusted() == Blocks(0));
            const BlockSet marks = test::marks_of(*cut.log);
            for (std::uint64_t i = 0; i < geometry.blocks().count(); ++i) {
                const BlockIndex block(i);
                const bool marked = marks.test(block);
                if (marked != before.test(block) && marked != after.test(block)) FAIL("block " << i);
            }
        });
    };

    BlockSet before = test::marks_of(log);
    ByteVector start = disk.content();
    disk.start_trace();
    const std::vector<BlockRange> marks = {
        {BlockIndex(1), Blocks(3)}, {BlockIndex(4030), Blocks(9)}, {BlockIndex(32250), Blocks(50)}};
    REQUIRE(log.bitmap().mark(marks).ok());
    check_between(before, test::marks_of(log), start);

    before = test::marks_of(log);
    start = disk.content();
    disk.start_trace();
    REQUIRE(log.bitmap().clear(marks).ok());
    check_between(before, test::marks_of(log), start);
}

TEST_CASE("a power cut while a record is written leaves the old record or the new one") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(WriteLog::format(disk, geometry, long_record(VolumeState::provisioning, 1)).ok());
    WriteLog log = **WriteLog::open(disk);
    for (std::uint64_t version = 2; version < 6; ++version) {
        const ImageRecord old = *log.record();
        const ByteVector before = disk.content();
        disk.start_trace();
        REQUIRE(log.write_record(long_record(VolumeState::restoring, version)).ok());
        test::for_each_power_cut(before, disk.trace(), [&](const ByteVector& content) {
            const AfterCut cut(content);
            REQUIRE(cut.log);
            REQUIRE(cut.log->record());
            REQUIRE((*cut.log->record() == old || cut.log->record() == log.record()));
        });
    }
}
