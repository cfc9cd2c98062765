// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/hash_tree.hpp"

#include <endian.h>

#include <cassert>
#include <cstring>

namespace regild::format {
namespace {

constexpr std::uint64_t first_hash_block = 1;  // the superblock takes one

// On disk, little-endian, as cryptsetup's lib/verity/verity.c and the wiki page DMVerity give it.
struct verity_superblock {
    std::uint8_t signature[8];         //   0: "verity" and two NULs
    std::uint32_t version;             //   8: 1
    std::uint32_t hash_type;           //  12: 1: the salt comes before the data
    std::uint8_t uuid[16];             //  16
    std::uint8_t algorithm[32];        //  32: "sha256", padded with NULs
    std::uint32_t data_block_size;     //  64: bytes
    std::uint32_t hash_block_size;     //  68: bytes
    std::uint64_t data_blocks;         //  72
    std::uint16_t salt_size;           //  80: bytes
    std::uint8_t zero0[6];             //  82
    std::uint8_t salt[max_salt_size];  //  88
    std::uint8_t zero1[168];           // 344
};
static_assert(sizeof(verity_superblock) == 512 && offsetof(verity_superblock, salt) == 88);

}  // namespace

HashTreeShape::HashTreeShape(Blocks data_blocks) {
    for (std::uint64_t n = data_blocks.count(); n > 1;) {
        n = divide_up(n, hashes_per_block);
        level_blocks_.push_back(n);
    }
    level_starts_.resize(level_blocks_.size());
    std::uint64_t start = first_hash_block;
    for (unsigned level = levels(); level-- > 0;) {
        level_starts_[level] = start;
        start += level_blocks_[level];
    }
}

Bytes HashTreeShape::offset_of(unsigned level, std::uint64_t index) const {
    assert(level < levels() && index < level_blocks_[level]);
    return Bytes((level_starts_[level] + index) * hash_block_size);
}

Bytes HashTreeShape::file_size() const {
    // Level 0 lies last.
    const std::uint64_t blocks = levels() == 0 ? first_hash_block : level_starts_[0] + level_blocks_[0];
    return Bytes(blocks * hash_block_size);
}

std::array<std::byte, hash_block_size> serialize_verity_superblock(const Uuid& uuid, BlockSize block_size,
                                                                   Blocks data_blocks, ConstByteSpan salt) {
    assert(salt.size() <= max_salt_size);
    verity_superblock wire{};
    std::memcpy(wire.signature, "verity", 6);
    wire.version = htole32(1);
    wire.hash_type = htole32(1);
    std::memcpy(wire.uuid, uuid.bytes.data(), sizeof wire.uuid);
    std::memcpy(wire.algorithm, "sha256", 6);
    wire.data_block_size = htole32(static_cast<std::uint32_t>(block_size.bytes().count()));
    wire.hash_block_size = htole32(hash_block_size);
    wire.data_blocks = htole64(data_blocks.count());
    wire.salt_size = htole16(static_cast<std::uint16_t>(salt.size()));
    if (!salt.empty()) std::memcpy(wire.salt, salt.data(), salt.size());

    std::array<std::byte, hash_block_size> block{};
    std::memcpy(block.data(), &wire, sizeof wire);
    return block;
}

}  // namespace regild::format
