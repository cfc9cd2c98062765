// SPDX-License-Identifier: GPL-2.0-or-later
// For tests that look at a write log: its marks as one set, records, ranges.
#pragma once

#include <catch2/catch.hpp>

#include "base/block_set.hpp"
#include "log/write_log.hpp"

namespace regild::test {

constexpr std::uint64_t piece = std::uint64_t{256} * 8 * 4032;  // blocks: 1 MiB of log

inline log::WriteLog opened(block::Storage& disk) {
    auto log = log::WriteLog::open(disk);
    REQUIRE(log.ok());
    REQUIRE(*log);
    return **log;
}

inline BlockRange blocks(std::uint64_t first, std::uint64_t count) {
    return {BlockIndex(first), Blocks(count)};
}

inline BlockSet set_of(Blocks size, std::initializer_list<BlockRange> ranges) {
    BlockSet set(size);
    for (const BlockRange range : ranges)
        set.insert(range);
    return set;
}

// Every piece of the bitmap in one.
inline log::Marks all_marks(const log::WriteLog& log) {
    const Blocks size = log.geometry().blocks();
    log::Marks all{BlockSet(size), BlockSet(size)};
    const auto add = [](BlockSet& to, const BlockSet& from) {
        for (const BlockRange& run : runs_of(from, from.range()))
            to.insert(run);
    };
    for (BlockIndex at; at < all.range().end();) {
        const log::Marks part = log.bitmap().read(at);
        add(all.marked, part.marked);
        add(all.untrusted, part.untrusted);
        at = part.range().end();
    }
    return all;
}

inline BlockSet marks_of(const log::WriteLog& log) {
    return all_marks(log).marked;
}

inline format::ImageRecord record_of(format::VolumeState state, std::uint64_t version = 7) {
    format::ImageRecord record;
    record.state = state;
    record.image = "kiosk";
    record.image_version = version;
    record.disk.size = Sectors(1 << 20);
    return record;
}

}  // namespace regild::test
