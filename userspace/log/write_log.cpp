// SPDX-License-Identifier: GPL-2.0-or-later
#include "log/write_log.hpp"

#include <regild/writelog_format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "log/units.hpp"

namespace regild::log {
namespace {

using block::AlignedBuffer;
using format::LogGeometry;
using format::Superblock;

constexpr std::size_t max_unreadable_units = 64;

std::span<const std::byte, 512> sector_at(ByteSpan bytes, std::size_t offset) {
    return bytes.subspan(offset).first<512>();
}

// Where a second superblock copy may lie on a device of this size, as offset and length; none on a small one.
std::optional<std::pair<Bytes, Bytes>> second_copy_area(const block::Storage& storage) {
    const Bytes whole_units(storage.size().count() / unit_size * unit_size);
    const Bytes first = LogGeometry::shortest().superblock_offset(1);
    const Bytes end = std::min(whole_units, LogGeometry::longest().log_length());
    if (end <= first) return std::nullopt;
    return std::pair(first, end - first);
}

Result<void> check_storage(const block::Storage& storage) {
    if (unit_size % storage.alignment().count() == 0) return {};
    return Error{Failure::refused, storage.name() + " has sectors of " + format_size(storage.alignment()) +
                                       "; a log needs 4 KiB or less"};
}

struct FoundSuperblock {
    Superblock superblock;
    bool first_bad = false;
};

// Looks for the second copy by its place: the first is bad, so the length of the log is not known, but a copy
// counts only where its own fields put it.
Result<std::optional<FoundSuperblock>> find_second_copy(block::Storage& storage,
                                                        std::optional<Error> first_error) {
    std::optional<FoundSuperblock> found;
    std::optional<Error> refused;
    std::optional<Error> read_error = std::move(first_error);
    std::size_t unreadable = 0;
    if (const auto area = second_copy_area(storage)) {
        read_units(
            storage, area->first, area->second,
            [&](Bytes offset, ByteSpan bytes) {
                for (std::size_t at = 0; at < bytes.size(); at += unit_size) {
                    const Result<Superblock> copy = format::parse_superblock(sector_at(bytes, at));
                    if (copy && copy->geometry.superblock_offset(1) == offset + Bytes(at)) {
                        found = FoundSuperblock{*copy, true};
                        return false;
                    }
                    if (!copy && copy.error().kind == Failure::refused && !refused) refused = copy.error();
                }
                return true;
            },
            [&](Bytes, const Error& error) {
                if (!read_error) read_error = error;
                return ++unreadable < max_unreadable_units;
            });
    }
    if (found) return found;
    if (refused) return *refused;
    if (read_error) return *read_error;
    return std::optional<FoundSuperblock>();
}

Result<std::optional<FoundSuperblock>> find_superblock(block::Storage& storage) {
    AlignedBuffer unit(unit_size);
    if (const Result<void> read = storage.read(Bytes(WRITELOG_SUPER_OFFSET), unit.span()); !read)
        return find_second_copy(storage, read.error());
    const Result<Superblock> first = format::parse_superblock(sector_at(unit.span(), 0));
    if (first) return std::optional(FoundSuperblock{*first, false});
    if (first.error().kind == Failure::refused) return first.error();
    return find_second_copy(storage, std::nullopt);
}

// The unit at the start of a log that is being formatted: the magic of a superblock that is not valid yet.
AlignedBuffer unfinished_unit() {
    AlignedBuffer unit(unit_size);
    std::memset(unit.data(), 0, unit.size());
    std::memcpy(unit.data(), WRITELOG_MAGIC, sizeof(writelog_superblock::magic));
    return unit;
}

// Wipes whatever could be taken for a superblock, so that neither an interrupted format nor a copy that an
// older and longer log left behind can be found later.
Result<void> wipe_superblocks(block::Storage& storage, const LogGeometry& geometry) {
    std::optional<Error> failed;
    std::size_t unreadable = 0;
    std::vector<Bytes> places = {geometry.superblock_offset(1)};
    if (const auto area = second_copy_area(storage)) {
        read_units(
            storage, area->first, area->second,
            [&](Bytes offset, ByteSpan bytes) {
                for (std::size_t at = 0; at < bytes.size(); at += unit_size)
                    if (std::memcmp(bytes.data() + at, WRITELOG_MAGIC, sizeof(writelog_superblock::magic)) ==
                        0)
                        places.push_back(offset + Bytes(at));
                return true;
            },
            [&](Bytes offset, const Error& error) {
                places.push_back(
                    offset);  // writing zeros may heal it, and whatever it holds must not come back
                if (++unreadable >= max_unreadable_units) failed = error;
                return !failed;
            });
    }
    if (failed) return *failed;
    AlignedBuffer unit(unit_size);
    std::memset(unit.data(), 0, unit.size());
    for (const Bytes place : places)
        if (Result<void> r = storage.write(place, unit.span()); !r) return r;
    AlignedBuffer start = unfinished_unit();
    if (Result<void> r = storage.write(geometry.superblock_offset(0), start.span()); !r) return r;
    return storage.flush();
}

Result<void> write_superblock_copy(block::Storage& storage, const Superblock& superblock, unsigned copy) {
    AlignedBuffer unit(unit_size);
    std::memset(unit.data(), 0, unit.size());
    const format::SectorBytes bytes = format::serialize_superblock(superblock);
    std::memcpy(unit.data(), bytes.data(), bytes.size());
    return storage.write(superblock.geometry.superblock_offset(copy), unit.span());
}

}  // namespace

WriteLog::WriteLog(block::Storage& storage, const Superblock& superblock)
    : storage_(&storage), superblock_(superblock), bitmap_(storage, superblock) {}

Result<std::optional<WriteLog>> WriteLog::open(block::Storage& storage) {
    const auto error = [&storage](const Error& why) { return why.context("the log on " + storage.name()); };
    if (Result<void> r = check_storage(storage); !r) return r.error();
    if (storage.size() < Bytes(unit_size)) return std::optional<WriteLog>();
    const Result<std::optional<FoundSuperblock>> found = find_superblock(storage);
    if (!found) return error(found.error());
    if (!*found) return std::optional<WriteLog>();

    // Before its marks are counted: anybody can write a superblock of 2^31 blocks.
    const LogGeometry& geometry = (*found)->superblock.geometry;
    if (geometry.log_length() > storage.size())
        return error({Failure::refused, "is " + format_size(geometry.log_length()) +
                                            " long, but the device only " + format_size(storage.size())});
    WriteLog log(storage, (*found)->superblock);
    log.superblock_bad_[0] = (*found)->first_bad;
    log.check_second_copy();
    log.bitmap_.scan();
    if (Result<void> r = log.read_records(); !r) return error(r.error());
    return std::optional(std::move(log));
}

Result<bool> WriteLog::is_unfinished(block::Storage& storage) {
    if (storage.size() < Bytes(unit_size)) return false;
    AlignedBuffer unit(unit_size);
    if (Result<void> r = storage.read(Bytes(WRITELOG_SUPER_OFFSET), unit.span()); !r) return r.error();
    return std::memcmp(unit.data(), unfinished_unit().data(), unit.size()) == 0;
}

void WriteLog::check_second_copy() {
    AlignedBuffer unit(unit_size);
    if (!storage_->read(geometry().superblock_offset(1), unit.span())) {
        superblock_bad_[1] = true;
        return;
    }
    const Result<Superblock> copy = format::parse_superblock(sector_at(unit.span(), 0));
    superblock_bad_[1] = !copy || !(*copy == superblock_);
}

Result<void> WriteLog::read_records() {
    AlignedBuffer buffer(WRITELOG_RECORD_SIZE);
    std::optional<unsigned> unreadable_slot;
    for (unsigned slot = 0; slot < 2; ++slot) {
        if (!storage_->read(geometry().record_offset(slot), buffer.span())) {
            unreadable_slot = slot;
            continue;
        }
        Result<format::ImageRecord> record =
            format::parse_image_record(buffer.span().first<format::image_record_size>(), superblock_.uuid);
        if (!record && record.error().kind == Failure::refused) return record.error();
        if (!record || record->sequence < record_sequence_) continue;
        record_sequence_ = record->sequence;
        record_ = std::move(*record);
        record_slot_ = slot;
    }
    if (unreadable_slot) {
        // It may hold the newer record, and that may say `restoring`: the older one must not be believed
        // (invariants 3 and 9). The next record goes there, with a number that wins if its old content comes
        // back.
        record_.reset();
        record_slot_ = 1 - *unreadable_slot;
        record_sequence_ += std::uint64_t{1} << 32;
    }
    return {};
}

Result<WriteLog> WriteLog::format(block::Storage& storage, const LogGeometry& geometry,
                                  format::ImageRecord record) {
    const auto error = [&storage](const Error& why) {
        return why.context("cannot format a log on " + storage.name());
    };
    if (Result<void> r = check_storage(storage); !r) return r.error();
    if (geometry.log_length() > storage.size())
        return error({Failure::refused, "it needs " + format_size(geometry.log_length()) +
                                            ", but the device has only " + format_size(storage.size())});
    const Result<Uuid> uuid = Uuid::random();
    if (!uuid) return error(uuid.error());

    WriteLog log(storage, {*uuid, geometry});
    if (Result<void> r = wipe_superblocks(storage, geometry); !r) return error(r.error());
    if (Result<void> r = log.bitmap_.mark_all(); !r) return error(r.error());
    if (Result<void> r = log.write_record(std::move(record)); !r) return r.error();
    log.superblock_bad_[0] = log.superblock_bad_[1] = true;
    if (Result<void> r = log.repair(); !r) return r.error();
    return log;
}

// Both layouts share the first superblock and the first record slot. The first superblock decides which of
// them counts, and comes last; what the other parts of the old one held is not needed any more, as every
// block will be marked.
Result<void> WriteLog::lay_out(const LogGeometry& geometry) {
    const auto error = [this](const Error& why) {
        return why.context("cannot lay out the log on " + storage_->name() + " anew");
    };
    if (geometry.log_length() > storage_->size())
        return error({Failure::refused, "it needs " + format_size(geometry.log_length()) +
                                            ", but the device has only " + format_size(storage_->size())});
    while (record_slot_ != 0)
        if (Result<void> r = write_record(*record_); !r) return r;
    WriteLog anew(*storage_, {superblock_.uuid, geometry});
    AlignedBuffer zeros(unit_size);
    std::memset(zeros.data(), 0, zeros.size());
    // Nobody is to find it once the first one is of the new layout.
    if (Result<void> r = storage_->write(superblock_.geometry.superblock_offset(1), zeros.span()); !r)
        return error(r.error());
    if (Result<void> r = anew.bitmap_.mark_all(); !r) return error(r.error());
    for (const unsigned copy : {1U, 0U}) {
        if (Result<void> r = write_superblock_copy(*storage_, anew.superblock_, copy); !r)
            return error(r.error());
        if (Result<void> r = storage_->flush(); !r) return error(r.error());
    }
    anew.record_ = std::move(record_);
    anew.record_slot_ = record_slot_;
    anew.record_sequence_ = record_sequence_;
    *this = std::move(anew);
    return {};
}

Result<void> WriteLog::write_record(format::ImageRecord record) {
    const auto error = [this](const Error& why) {
        return why.context("cannot write the image record of the log on " + storage_->name());
    };
    record.sequence = record_sequence_ + 1;
    const Result<ByteVector> bytes = format::serialize_image_record(record, superblock_.uuid);
    if (!bytes) return error(bytes.error());
    AlignedBuffer buffer(WRITELOG_RECORD_SIZE);
    std::memcpy(buffer.data(), bytes->data(), bytes->size());
    const unsigned slot = 1 - record_slot_;
    if (Result<void> r = storage_->write(geometry().record_offset(slot), buffer.span()); !r)
        return error(r.error());
    if (Result<void> r = storage_->flush(); !r) return error(r.error());
    record_sequence_ = record.sequence;
    record_ = std::move(record);
    record_slot_ = slot;
    return {};
}

Result<void> WriteLog::repair() {
    const auto error = [this](const Error& why) {
        return why.context("cannot write the superblock of the log on " + storage_->name());
    };
    bool written = false;
    for (unsigned copy = 0; copy < 2; ++copy) {
        if (!superblock_bad_[copy]) continue;
        if (Result<void> r = write_superblock_copy(*storage_, superblock_, copy); !r) return error(r.error());
        written = true;
    }
    if (!written) return {};
    if (Result<void> r = storage_->flush(); !r) return error(r.error());
    superblock_bad_[0] = superblock_bad_[1] = false;
    return {};
}

}  // namespace regild::log
