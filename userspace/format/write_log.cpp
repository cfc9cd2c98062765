// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/write_log.hpp"

#include <endian.h>
#include <regild/writelog_format.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/crc32c.hpp"

namespace regild::format {
namespace {

constexpr std::size_t crc_offset = offsetof(writelog_superblock, crc);
constexpr std::uint64_t max_data_sectors = WRITELOG_MAX_BLOCKS * WRITELOG_MAX_BLOCK_SECTORS;

Error not_a_superblock(const char* why) {
    return {Failure::failed, std::string("not a superblock: ") + why};
}

Error refused(const std::string& why) {
    return {Failure::refused, "the log's superblock " + why};
}

std::uint32_t log_sector_crc(const Uuid& uuid, std::span<const std::byte, 512> bytes) {
    return crc32c(bytes.subspan(offsetof(writelog_sector, index)), crc32c(uuid.bytes));
}

}  // namespace

Result<LogGeometry> LogGeometry::make(Bytes data_size, BlockSize block_size) {
    if (data_size == Bytes(0) || data_size.count() % WRITELOG_SECTOR_SIZE != 0)
        return Error{Failure::failed, "a volume of " + std::to_string(data_size.count()) +
                                          " bytes: it must be a multiple of 512, and not zero"};
    if (block_size.blocks_in(data_size) > Blocks(WRITELOG_MAX_BLOCKS))
        return Error{Failure::failed, "a volume of " + format_size(data_size) +
                                          " has more than 2^31 blocks of " + format_size(block_size.bytes()) +
                                          ": choose a larger block size"};
    return LogGeometry(data_size, block_size);
}

LogGeometry LogGeometry::shortest() {
    const BlockSize block_size =
        *BlockSize::from_bytes(std::uint64_t{WRITELOG_MIN_BLOCK_SECTORS} * WRITELOG_SECTOR_SIZE);
    return {block_size.bytes(), block_size};
}

LogGeometry LogGeometry::longest() {
    const BlockSize block_size = shortest().block_size();
    return {block_size.bytes_of(Blocks(WRITELOG_MAX_BLOCKS)), block_size};
}

std::uint64_t LogGeometry::log_sectors() const {
    const std::uint64_t used = divide_up(blocks().count(), WRITELOG_BITS_PER_SECTOR);
    return divide_up(used, WRITELOG_SECTORS_PER_UNIT) * WRITELOG_SECTORS_PER_UNIT;
}

Bytes LogGeometry::bitmap_offset() const {
    return Bytes(WRITELOG_BITMAP_OFFSET);
}

Bytes LogGeometry::bitmap_length() const {
    return Bytes(log_sectors() * WRITELOG_SECTOR_SIZE);
}

Bytes LogGeometry::record_offset(unsigned slot) const {
    assert(slot < 2);
    return slot == 0 ? Bytes(WRITELOG_RECORD_OFFSET) : bitmap_offset() + bitmap_length();
}

Bytes LogGeometry::superblock_offset(unsigned copy) const {
    assert(copy < 2);
    return copy == 0 ? Bytes(WRITELOG_SUPER_OFFSET) : log_length() - Bytes(WRITELOG_UNIT_SIZE);
}

Bytes LogGeometry::log_length() const {
    return bitmap_offset() + bitmap_length() + Bytes(WRITELOG_TAIL_SIZE);
}

Result<Superblock> parse_superblock(std::span<const std::byte, 512> bytes) {
    writelog_superblock wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    if (std::memcmp(wire.magic, WRITELOG_MAGIC, sizeof wire.magic) != 0)
        return not_a_superblock("wrong magic");
    if (le32toh(wire.crc) != crc32c(bytes.first(crc_offset))) return not_a_superblock("wrong checksum");

    // From here on somebody meant it: what we do not understand is refused, never overwritten as damage.
    if (le32toh(wire.version) != WRITELOG_VERSION)
        return refused("has format version " + std::to_string(le32toh(wire.version)) +
                       ", this regild knows version " + std::to_string(WRITELOG_VERSION));
    if ((le32toh(wire.incompat_features) & ~WRITELOG_INCOMPAT_KNOWN) != 0)
        return refused("has feature flags that this regild does not know");
    const std::uint64_t data_sectors = le64toh(wire.data_sectors);
    if (data_sectors == 0 || data_sectors > max_data_sectors) return refused("tells an impossible size");
    const Result<BlockSize> block_size =
        BlockSize::from_bytes(std::uint64_t{le32toh(wire.block_sectors)} * WRITELOG_SECTOR_SIZE);
    if (!block_size) return refused("tells an impossible block size");
    const Result<LogGeometry> geometry = LogGeometry::make(to_bytes(Sectors(data_sectors)), *block_size);
    if (!geometry) return refused("tells an impossible number of blocks");
    if (le64toh(wire.nr_blocks) != geometry->blocks().count() ||
        le64toh(wire.bitmap_offset) != geometry->bitmap_offset().count() ||
        le64toh(wire.bitmap_length) != geometry->bitmap_length().count())
        return refused("has fields that contradict each other");

    Superblock superblock{{}, *geometry};
    std::memcpy(superblock.uuid.bytes.data(), wire.uuid, sizeof wire.uuid);
    return superblock;
}

SectorBytes serialize_superblock(const Superblock& superblock) {
    const LogGeometry& geometry = superblock.geometry;
    writelog_superblock wire{};
    std::memcpy(wire.magic, WRITELOG_MAGIC, sizeof wire.magic);
    wire.version = htole32(WRITELOG_VERSION);
    std::memcpy(wire.uuid, superblock.uuid.bytes.data(), sizeof wire.uuid);
    wire.block_sectors = htole32(static_cast<std::uint32_t>(geometry.block_size().sectors().count()));
    wire.nr_blocks = htole64(geometry.blocks().count());
    wire.data_sectors = htole64(to_sectors(geometry.data_size()).count());
    wire.bitmap_offset = htole64(geometry.bitmap_offset().count());
    wire.bitmap_length = htole64(geometry.bitmap_length().count());

    SectorBytes bytes;
    std::memcpy(bytes.data(), &wire, sizeof wire);
    const std::uint32_t crc = htole32(crc32c(std::span(bytes).first(crc_offset)));
    std::memcpy(bytes.data() + crc_offset, &crc, sizeof crc);
    return bytes;
}

BlockRange blocks_of_log_sector(std::uint64_t index, Blocks blocks) {
    const std::uint64_t first = std::min(index * WRITELOG_BITS_PER_SECTOR, blocks.count());
    const std::uint64_t end = std::min(first + WRITELOG_BITS_PER_SECTOR, blocks.count());
    return {BlockIndex(first), Blocks(end - first)};
}

bool read_log_sector(std::span<const std::byte, 512> bytes, const Uuid& uuid, std::uint64_t index,
                     BlockSet& marks) {
    const BlockRange range = blocks_of_log_sector(index, marks.range().end() - BlockIndex(0));
    const std::uint64_t blocks = range.count.count();
    writelog_sector wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    if (le32toh(wire.crc) != log_sector_crc(uuid, bytes) || le32toh(wire.index) != index) {
        marks.insert(range);
        return false;
    }
    const auto bit = [&wire](std::uint64_t n) { return (wire.bits[n / 8] >> (n % 8) & 1) != 0; };
    constexpr writelog_sector unmarked{};
    if (std::memcmp(wire.bits, unmarked.bits, sizeof wire.bits) == 0) return true;
    for (std::uint64_t n = blocks; n < WRITELOG_BITS_PER_SECTOR; ++n) {
        if (bit(n)) {
            marks.insert(range);
            return false;
        }
    }
    for (std::uint64_t n = 0; n < blocks;) {
        if (n % 8 == 0 && wire.bits[n / 8] == 0) {
            n += 8;
            continue;
        }
        std::uint64_t end = n;
        while (end < blocks && bit(end))
            ++end;
        marks.insert({range.first + Blocks(n), Blocks(end - n)});
        n = end + 1;
    }
    return true;
}

SectorBytes serialize_log_sector(const Uuid& uuid, std::uint64_t index, const BlockSet& marks) {
    const BlockRange range = blocks_of_log_sector(index, marks.range().end() - BlockIndex(0));
    writelog_sector wire{};
    wire.index = htole32(static_cast<std::uint32_t>(index));
    BlockIndex at = range.first;
    while (const std::optional<BlockRange> run = marks.next_run({at, range.end() - at})) {
        at = run->end();
        for (std::uint64_t n = (run->first - range.first).count(); n < (at - range.first).count(); ++n)
            wire.bits[n / 8] = static_cast<__u8>(wire.bits[n / 8] | 1u << (n % 8));
    }

    SectorBytes bytes;
    std::memcpy(bytes.data(), &wire, sizeof wire);
    const std::uint32_t crc = htole32(log_sector_crc(uuid, bytes));
    std::memcpy(bytes.data(), &crc, sizeof crc);
    return bytes;
}

}  // namespace regild::format
