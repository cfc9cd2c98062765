// SPDX-License-Identifier: GPL-2.0-or-later
// A superblock and one log sector (seeds: superblock.bin, and log sectors of log-small.bin behind it). The
// checksums are put right first, else nothing behind them would be reached.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/crc32c.hpp"
#include "format/write_log.hpp"

using namespace regild;
using namespace regild::format;

namespace {

void put_crc(SectorBytes& bytes, std::size_t offset, std::uint32_t crc) {
    for (std::size_t i = 0; i < 4; ++i)
        bytes[offset + i] = static_cast<std::byte>(crc >> (8 * i));
}

void require(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    SectorBytes head{};
    SectorBytes sector{};
    std::memcpy(head.data(), data, std::min(size, head.size()));
    if (size > head.size())
        std::memcpy(sector.data(), data + head.size(), std::min(size - head.size(), sector.size()));
    (void)parse_superblock(head);
    put_crc(head, 508, crc32c(std::span(head).first(508)));
    const Result<Superblock> superblock = parse_superblock(head);
    if (!superblock) return 0;
    const LogGeometry& geometry = superblock->geometry;
    require(parse_superblock(serialize_superblock(*superblock)).value() == *superblock);
    require(geometry.superblock_offset(1) < geometry.log_length());
    require(geometry.log_sectors() * 4032 >= geometry.blocks().count());
    if (geometry.blocks() > Blocks(1 << 20)) return 0;  // memory for the set, not a limit of the parser

    put_crc(sector, 0, crc32c(std::span(sector).subspan(4), crc32c(superblock->uuid.bytes)));
    const std::uint64_t index = std::to_integer<std::uint64_t>(sector[4]);
    BlockSet marks(geometry.blocks());
    const BlockRange range = blocks_of_log_sector(index, geometry.blocks());
    const bool trusted = read_log_sector(sector, superblock->uuid, index, marks);
    require(marks.count() <= range.count);
    require(trusted ? serialize_log_sector(superblock->uuid, index, marks) == sector
                    : marks.count() == range.count);
    return 0;
}
