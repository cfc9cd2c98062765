// SPDX-License-Identifier: GPL-2.0-or-later
// For tests that look at a write log: its marks as one set, records, ranges.
#pragma once

#include "engine/log_store.hpp"

namespace regild::test {

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
inline engine::Marks all_marks(const engine::LogStore& log) {
    const Blocks size = log.geometry().blocks();
    engine::Marks all{BlockSet(size), BlockSet(size)};
    const auto add = [](BlockSet& to, const BlockSet& from) {
        BlockIndex at = from.range().first;
        while (const std::optional<BlockRange> run = from.next_run({at, from.range().end() - at})) {
            to.insert(*run);
            at = run->end();
        }
    };
    for (BlockIndex at; at < all.range().end();) {
        const engine::Marks piece = log.bitmap().read(at);
        add(all.marked, piece.marked);
        add(all.untrusted, piece.untrusted);
        at = piece.range().end();
    }
    return all;
}

inline BlockSet marks_of(const engine::LogStore& log) {
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
