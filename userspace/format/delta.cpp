// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/delta.hpp"

#include <endian.h>
#include <regild/regild_format.h>

#include <algorithm>
#include <cstring>

#include "format/manifest.hpp"

namespace regild::format {

static_assert(sizeof(regild_delta_header) == delta_header_size);
static_assert(sizeof(regild_delta_entry) == delta_entry_size);

Result<DeltaHeader> parse_delta_header(std::span<const std::byte, delta_header_size> bytes) {
    regild_delta_header wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    if (std::memcmp(wire.magic, REGILD_DELTA_MAGIC, sizeof wire.magic) != 0)
        return Error{Failure::usage, "it is no delta: 'regild capture' makes one"};
    if (le32toh(wire.version) != REGILD_DELTA_VERSION)
        return Error{Failure::refused, "a delta of version " + std::to_string(le32toh(wire.version)) +
                                           ", which this regild does not know"};
    DeltaHeader header{.base_version = le64toh(wire.base_version),
                       .entries = le64toh(wire.entries),
                       .manifest_length = le32toh(wire.manifest_length)};
    std::ranges::copy(std::as_bytes(std::span(wire.base_root_hash)), header.base_root_hash.begin());
    if (header.manifest_length == 0 || header.manifest_length > max_manifest_size ||
        header.base_version == 0 || header.base_version > max_version)
        return Error{Failure::usage, "the header of the delta is damaged"};
    return header;
}

std::array<std::byte, delta_header_size> serialize_delta_header(const DeltaHeader& header) {
    regild_delta_header wire{};
    std::memcpy(wire.magic, REGILD_DELTA_MAGIC, sizeof wire.magic);
    wire.version = htole32(REGILD_DELTA_VERSION);
    wire.manifest_length = htole32(header.manifest_length);
    wire.base_version = htole64(header.base_version);
    wire.entries = htole64(header.entries);
    std::memcpy(wire.base_root_hash, header.base_root_hash.data(), sizeof wire.base_root_hash);
    std::array<std::byte, delta_header_size> bytes;
    std::memcpy(bytes.data(), &wire, sizeof wire);
    return bytes;
}

DeltaEntry parse_delta_entry(std::span<const std::byte, delta_entry_size> bytes) {
    regild_delta_entry wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    return {BlockIndex(le64toh(wire.block)), le32toh(wire.frame_length)};
}

std::array<std::byte, delta_entry_size> serialize_delta_entry(const DeltaEntry& entry) {
    regild_delta_entry wire{};
    wire.block = htole64(entry.block.value());
    wire.frame_length = htole32(entry.frame_length);
    std::array<std::byte, delta_entry_size> bytes;
    std::memcpy(bytes.data(), &wire, sizeof wire);
    return bytes;
}

}  // namespace regild::format
