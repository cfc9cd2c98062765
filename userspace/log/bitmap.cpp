// SPDX-License-Identifier: GPL-2.0-or-later
#include "log/bitmap.hpp"

#include <algorithm>
#include <cassert>

#include "log/units.hpp"

namespace regild::log {
namespace {

constexpr std::uint64_t blocks_per_unit = std::uint64_t{WRITELOG_BITS_PER_SECTOR} * WRITELOG_SECTORS_PER_UNIT;
constexpr std::uint64_t units_per_piece = piece_size / unit_size;  // 8257536 blocks

}  // namespace

Bitmap::Bitmap(block::Storage& storage, const format::Superblock& superblock)
    : storage_(&storage), superblock_(superblock), sectors_(superblock.geometry.log_sectors()) {}

Error Bitmap::error(const Error& why) const {
    return why.context("cannot write marks to the log on " + storage_->name());
}

Bitmap::Units Bitmap::piece_at(std::uint64_t unit) const {
    const std::uint64_t first = unit / units_per_piece * units_per_piece;
    return {first, std::min(first + units_per_piece, units())};
}

BlockRange Bitmap::blocks_of(Units units) const {
    const BlockRange all{BlockIndex(0), blocks()};
    return intersection(all, {BlockIndex(units.first * blocks_per_unit),
                              Blocks((units.end - units.first) * blocks_per_unit)});
}

Marks Bitmap::none(Units units) const {
    const BlockRange range = blocks_of(units);
    return {BlockSet(range), BlockSet(range)};
}

// A sector that was found to mark nothing is not looked at again, unless `all` are wanted.
void Bitmap::add_marks_of(Units units, Marks& marks, bool all) const {
    const Bytes start = superblock_.geometry.bitmap_offset();
    const auto index_at = [start](Bytes offset) { return (offset - start).count() / WRITELOG_SECTOR_SIZE; };
    const auto doubt = [&](std::uint64_t index) {
        const BlockRange doubted = format::blocks_of_log_sector(index, blocks());
        marks.marked.insert(doubted);
        marks.untrusted.insert(doubted);
    };
    read_units(
        *storage_, start + Bytes(units.first * unit_size), Bytes((units.end - units.first) * unit_size),
        [&](Bytes offset, ByteSpan bytes) {
            for (std::size_t at = 0; at < bytes.size(); at += WRITELOG_SECTOR_SIZE) {
                const std::uint64_t index = index_at(offset + Bytes(at));
                if (!all && sectors_[index].marked == 0) continue;
                if (!format::read_log_sector(bytes.subspan(at).first<WRITELOG_SECTOR_SIZE>(),
                                             superblock_.uuid, index, marks.marked) ||
                    sectors_[index].untrusted)
                    doubt(index);
            }
            return true;
        },
        [&](Bytes offset, const Error&) {
            for (std::uint64_t i = 0; i < WRITELOG_SECTORS_PER_UNIT; ++i)
                doubt(index_at(offset) + i);
            return true;
        });
}

std::vector<Bitmap::SectorTally> Bitmap::tallies_of(Units units, const Marks& marks) const {
    std::vector<SectorTally> tallies;
    tallies.reserve((units.end - units.first) * WRITELOG_SECTORS_PER_UNIT);
    for (std::uint64_t index = units.first * WRITELOG_SECTORS_PER_UNIT;
         index < units.end * WRITELOG_SECTORS_PER_UNIT; ++index) {
        const BlockRange range = format::blocks_of_log_sector(index, blocks());
        tallies.push_back({static_cast<std::uint16_t>(marks.marked.count(range).count()),
                           range.count > Blocks(0) && marks.untrusted.test(range.first)});
    }
    return tallies;
}

void Bitmap::count(Units units, std::span<const SectorTally> tallies) {
    std::uint64_t index = units.first * WRITELOG_SECTORS_PER_UNIT;
    for (const SectorTally& now : tallies) {
        const Blocks doubted = format::blocks_of_log_sector(index, blocks()).count;
        SectorTally& tally = sectors_[index++];
        marked_ -= Blocks(tally.marked);
        if (tally.untrusted) untrusted_ -= doubted;
        tally = now;
        marked_ += Blocks(tally.marked);
        if (tally.untrusted) untrusted_ += doubted;
    }
}

void Bitmap::scan() {
    for (std::uint64_t next = 0; next < units(); next = piece_at(next).end) {
        const Units piece = piece_at(next);
        Marks marks = none(piece);
        add_marks_of(piece, marks, true);
        count(piece, tallies_of(piece, marks));
    }
}

Marks Bitmap::read(BlockIndex from) const {
    const Units piece = piece_at(from.value() / blocks_per_unit);
    Marks marks = none(piece);
    const auto has_marks = [this](std::uint64_t unit) {
        const auto first = sectors_.begin() + static_cast<std::ptrdiff_t>(unit * WRITELOG_SECTORS_PER_UNIT);
        return std::any_of(first, first + WRITELOG_SECTORS_PER_UNIT,
                           [](const SectorTally& tally) { return tally.marked > 0; });
    };
    Units some = piece;
    while (some.first < some.end && !has_marks(some.first))
        ++some.first;
    while (some.first < some.end && !has_marks(some.end - 1))
        --some.end;
    add_marks_of(some, marks);
    return marks;
}

Result<void> Bitmap::mark(std::span<const BlockRange> ranges) {
    return change(ranges, true);
}

Result<void> Bitmap::clear(std::span<const BlockRange> ranges) {
    return change(ranges, false);
}

// The units that tell of `sorted`: ascending, apart, none across a piece's end.
std::vector<Bitmap::Units> Bitmap::units_of(std::span<const BlockRange> sorted) const {
    std::vector<Units> runs;
    for (const BlockRange range : sorted) {
        assert(range.end() <= BlockIndex(0) + blocks());
        if (range.count == Blocks(0)) continue;
        std::uint64_t next = range.first.value() / blocks_per_unit;
        if (!runs.empty()) next = std::max(next, runs.back().end);
        const std::uint64_t end = divide_up(range.end().value(), blocks_per_unit);
        while (next < end) {
            const Units piece = piece_at(next);
            const Units run{next, std::min(end, piece.end)};
            if (!runs.empty() && runs.back().end == next && next > piece.first)
                runs.back().end = run.end;
            else
                runs.push_back(run);
            next = run.end;
        }
    }
    return runs;
}

// Piece by piece reads the units that tell of `ranges`, changes them and writes them, and flushes once at the
// end. A sector in them that was not trusted becomes all-ones but for what is cleared.
Result<void> Bitmap::change(std::span<const BlockRange> ranges, bool to_marked) {
    std::vector<BlockRange> sorted(ranges.begin(), ranges.end());
    std::ranges::sort(sorted, {}, &BlockRange::first);
    const std::vector<Units> runs = units_of(sorted);
    std::vector<std::pair<Units, std::vector<SectorTally>>> written;
    for (auto first = runs.begin(); first != runs.end();) {
        const std::uint64_t piece_end = piece_at(first->first).end;
        const auto last =
            std::find_if(first, runs.end(), [&](const Units& run) { return run.first >= piece_end; });
        const Units units{first->first, (last - 1)->end};
        Marks marks = none(units);
        add_marks_of(units, marks);
        for (const BlockRange range : sorted) {
            const BlockRange here = intersection(marks.range(), range);
            to_marked ? marks.marked.insert(here) : marks.marked.erase(here);
        }
        const Marks all{BlockSet(marks.range(), true), BlockSet(marks.range(), true)};
        marks.untrusted = BlockSet(marks.range());
        for (; first != last; ++first) {
            count(*first, tallies_of(*first, all));
            if (Result<void> r = write(*first, marks.marked); !r) return r;
            written.emplace_back(*first, tallies_of(*first, marks));
        }
    }
    if (written.empty()) return {};
    if (Result<void> r = storage_->flush(); !r) return error(r.error());
    for (const auto& [run, tallies] : written)
        count(run, tallies);
    return {};
}

Result<void> Bitmap::mark_untrusted() {
    std::vector<BlockRange> ranges;
    for (std::uint64_t index = 0; index < sectors_.size(); ++index)
        if (sectors_[index].untrusted) ranges.push_back(format::blocks_of_log_sector(index, blocks()));
    return ranges.empty() ? Result<void>() : mark(ranges);
}

Result<void> Bitmap::mark_all() {
    for (std::uint64_t next = 0; next < units(); next = piece_at(next).end) {
        const Units piece = piece_at(next);
        const Marks all{BlockSet(blocks_of(piece), true), BlockSet(blocks_of(piece))};
        count(piece, tallies_of(piece, all));
        if (Result<void> r = write(piece, all.marked); !r) return r;
    }
    return {};
}

Result<void> Bitmap::write(Units units, const BlockSet& marked) {
    block::AlignedBuffer buffer((units.end - units.first) * unit_size);
    std::uint64_t index = units.first * WRITELOG_SECTORS_PER_UNIT;
    for (std::size_t at = 0; at < buffer.size(); at += WRITELOG_SECTOR_SIZE)
        std::ranges::copy(format::serialize_log_sector(superblock_.uuid, index++, marked),
                          buffer.span(at, WRITELOG_SECTOR_SIZE).begin());
    const Bytes offset = superblock_.geometry.bitmap_offset() + Bytes(units.first * unit_size);
    if (Result<void> r = storage_->write(offset, buffer.span()); !r) return error(r.error());
    return {};
}

}  // namespace regild::log
