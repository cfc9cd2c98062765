// SPDX-License-Identifier: GPL-2.0-or-later
// A delta: a version of an image as what is otherwise than in another one (FORMAT.md 2.3). It is believed no
// further than that what it leads to has the root hash in its manifest.
#pragma once

#include <array>

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace regild::format {

inline constexpr std::size_t delta_header_size = 64;
inline constexpr std::size_t delta_entry_size = 16;

struct DeltaHeader {
    std::uint64_t base_version = 0;
    Digest base_root_hash{};
    std::uint64_t entries = 0;
    std::uint32_t manifest_length = 0;  // 1 to max_manifest_size
    bool operator==(const DeltaHeader&) const = default;
};

// Failure::usage: not a delta. Failure::refused: one of a version that is not known.
Result<DeltaHeader> parse_delta_header(std::span<const std::byte, delta_header_size> bytes);
std::array<std::byte, delta_header_size> serialize_delta_header(const DeltaHeader& header);

// A block that is otherwise, before its frame.
struct DeltaEntry {
    BlockIndex block;
    std::uint32_t frame_length = 0;  // 0: the block is zero
    bool operator==(const DeltaEntry&) const = default;
};

DeltaEntry parse_delta_entry(std::span<const std::byte, delta_entry_size> bytes);
std::array<std::byte, delta_entry_size> serialize_delta_entry(const DeltaEntry& entry);

}  // namespace regild::format
