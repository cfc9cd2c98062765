// SPDX-License-Identifier: GPL-2.0-or-later
// Power cuts at every write of the log, with every un-flushed sector landed or lost: afterwards the log tells
// the old truth or the new one (invariants 2, 3 and 8).
#include <catch2/catch.hpp>

#include "engine/log_store.hpp"
#include "memory_storage.hpp"

using namespace regild;
using namespace regild::engine;
using format::ImageRecord;
using format::LogGeometry;
using format::VolumeState;
using test::MemoryStorage;

namespace {

LogGeometry small_geometry() {
    const BlockSize size = *BlockSize::from_bytes(4096);
    return *LogGeometry::make(size.bytes_of(Blocks(32300)), size);  // nine log sectors in two units
}

ImageRecord record_of(VolumeState state, std::uint64_t version) {
    ImageRecord record;
    record.state = state;
    record.image = "kiosk";
    record.image_version = version;
    record.manifest = std::string(9000, static_cast<char>('a' + version));
    return record;
}

// Opens what a power cut has left.
std::optional<LogStore> after_cut(const ByteVector& content) {
    MemoryStorage disk(content);
    auto log = LogStore::open(disk);
    REQUIRE(log.ok());
    return std::move(*log);  // only what it has read is looked at from here on
}

}  // namespace

TEST_CASE("a power cut while a log is formatted leaves the old log, none, or the new one whole") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(LogStore::format(disk, geometry, record_of(VolumeState::golden, 1)).ok());
    LogStore old = **LogStore::open(disk);
    const BlockRange most{BlockIndex(0), Blocks(32000)};
    REQUIRE(old.clear({&most, 1}).ok());
    const ByteVector before = disk.content();

    disk.start_trace();
    const auto created = LogStore::format(disk, geometry, record_of(VolumeState::provisioning, 2));
    REQUIRE(created.ok());
    int old_seen = 0;
    int none_seen = 0;
    int new_seen = 0;
    test::for_each_power_cut(before, disk.trace(), [&](const ByteVector& content) {
        const std::optional<LogStore> log = after_cut(content);
        if (!log) {
            ++none_seen;
            MemoryStorage cut_off(content);
            REQUIRE(*LogStore::is_unfinished(cut_off));
            return;
        }
        REQUIRE(log->record());
        REQUIRE(log->untrusted().empty());
        if (log->superblock() == old.superblock()) {
            ++old_seen;
            REQUIRE(log->record()->image_version == 1);
            REQUIRE(log->marks() == old.marks());
        } else {
            ++new_seen;
            REQUIRE(log->superblock() == created->superblock());
            REQUIRE(log->record() == created->record());
            REQUIRE(log->marks().count() == geometry.blocks());
        }
    });
    CHECK(old_seen > 0);
    CHECK(none_seen > 0);
    CHECK(new_seen > 0);
}

TEST_CASE("a power cut while marks are set or cleared loses none that was durable") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(LogStore::format(disk, geometry, record_of(VolumeState::golden, 1)).ok());
    LogStore log = **LogStore::open(disk);
    const std::vector<BlockRange> cleared = {{BlockIndex(0), Blocks(20)}, {BlockIndex(3000), Blocks(29300)}};
    REQUIRE(log.clear(cleared).ok());

    const auto check_between = [&](const BlockSet& before, const BlockSet& after, const ByteVector& start) {
        test::for_each_power_cut(start, disk.trace(), [&](const ByteVector& content) {
            const std::optional<LogStore> cut = after_cut(content);
            REQUIRE(cut);
            REQUIRE(cut->untrusted().empty());
            for (std::uint64_t i = 0; i < geometry.blocks().count(); ++i) {
                const BlockIndex block(i);
                const bool marked = cut->marks().test(block);
                if (marked != before.test(block) && marked != after.test(block)) FAIL("block " << i);
            }
        });
    };

    BlockSet before = log.marks();
    ByteVector start = disk.content();
    disk.start_trace();
    const std::vector<BlockRange> marks = {
        {BlockIndex(1), Blocks(3)}, {BlockIndex(4030), Blocks(9)}, {BlockIndex(32250), Blocks(50)}};
    REQUIRE(log.mark(marks).ok());
    check_between(before, log.marks(), start);

    before = log.marks();
    start = disk.content();
    disk.start_trace();
    REQUIRE(log.clear(marks).ok());
    check_between(before, log.marks(), start);
}

TEST_CASE("a power cut while a record is written leaves the old record or the new one") {
    const LogGeometry geometry = small_geometry();
    MemoryStorage disk(geometry.log_length());
    REQUIRE(LogStore::format(disk, geometry, record_of(VolumeState::provisioning, 1)).ok());
    LogStore log = **LogStore::open(disk);
    for (std::uint64_t version = 2; version < 6; ++version) {
        const ImageRecord old = *log.record();
        const ByteVector before = disk.content();
        disk.start_trace();
        REQUIRE(log.write_record(record_of(VolumeState::restoring, version)).ok());
        test::for_each_power_cut(before, disk.trace(), [&](const ByteVector& content) {
            const std::optional<LogStore> cut = after_cut(content);
            REQUIRE(cut);
            REQUIRE(cut->record());
            REQUIRE((*cut->record() == old || cut->record() == log.record()));
        });
    }
}
