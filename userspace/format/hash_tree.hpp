// SPDX-License-Identifier: GPL-2.0-or-later
// The shape of a dm-verity hash tree file as `veritysetup format` writes it (hash format 1, SHA-256): a
// superblock in the first hash block, then the levels, the top one first. Source: the kernel's
// Documentation/admin-guide/device-mapper/verity.rst and the cryptsetup wiki page DMVerity.
#pragma once

#include <array>

#include "base/bytes.hpp"
#include "base/units.hpp"
#include "base/uuid.hpp"

namespace regild::format {

inline constexpr std::size_t hash_block_size = 4096;
inline constexpr std::size_t hashes_per_block = 128;
inline constexpr std::size_t max_salt_size = 256;  // bytes

// Level 0 holds the hashes of the data blocks; the block of the top level is hashed by the root hash. A
// volume of one data block has no level: its hash is the root hash.
class HashTreeShape {
  public:
    explicit HashTreeShape(Blocks data_blocks);

    unsigned levels() const { return static_cast<unsigned>(level_blocks_.size()); }
    std::uint64_t blocks_in_level(unsigned level) const { return level_blocks_[level]; }
    // Byte offset in the file of hash block `index` of `level`.
    Bytes offset_of(unsigned level, std::uint64_t index) const;
    Bytes file_size() const;

  private:
    std::vector<std::uint64_t> level_blocks_;  // [0] is the level of the data blocks' hashes
    std::vector<std::uint64_t> level_starts_;  // in hash blocks from the start of the file
};

// The first hash block of the file: verity's superblock and zeros.
std::array<std::byte, hash_block_size> serialize_verity_superblock(const Uuid& uuid, BlockSize block_size,
                                                                   Blocks data_blocks, ConstByteSpan salt);

}  // namespace regild::format
