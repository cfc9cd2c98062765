// SPDX-License-Identifier: GPL-2.0-or-later
// Reading a log's units around those that cannot be read.
#pragma once

#include <regild/writelog_format.h>

#include <algorithm>

#include "block/storage.hpp"

namespace regild::log {

constexpr std::size_t unit_size = WRITELOG_UNIT_SIZE;
constexpr std::size_t piece_size = 1 << 20;  // the longest read or write

// Reads `length` bytes of whole units from `offset` on in large pieces and calls see(offset, bytes) for each;
// a piece that cannot be read is tried again unit by unit, and lost(offset, error) is called for each unit
// that stays unreadable. Both return whether to go on.
template <class See, class Lost>
void read_units(block::Storage& storage, Bytes offset, Bytes length, See see, Lost lost) {
    block::AlignedBuffer buffer(std::min<std::uint64_t>(piece_size, length.count()));
    const Bytes end = offset + length;
    while (offset < end) {
        const ByteSpan piece = buffer.span(0, std::min<std::uint64_t>(buffer.size(), (end - offset).count()));
        if (storage.read(offset, piece)) {
            if (!see(offset, piece)) return;
        } else {
            for (std::size_t at = 0; at < piece.size(); at += unit_size) {
                const Bytes unit = offset + Bytes(at);
                const Result<void> read = storage.read(unit, piece.subspan(at, unit_size));
                if (!(read ? see(unit, piece.subspan(at, unit_size)) : lost(unit, read.error()))) return;
            }
        }
        offset += Bytes(piece.size());
    }
}

}  // namespace regild::log
