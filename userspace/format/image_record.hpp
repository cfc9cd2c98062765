// SPDX-License-Identifier: GPL-2.0-or-later
// The image record in the log: which image the volume holds, on which disk, and what is being done to it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/disk_identity.hpp"
#include "base/units.hpp"
#include "base/uuid.hpp"

namespace regild::format {

enum class VolumeState { provisioning = 1, restoring = 2, golden = 3 };
const char* to_string(VolumeState state);

// Of another version than the one that the volume holds.
struct SignedManifest {
    std::string manifest;   // as it was received; empty: there is none
    std::string signature;  // as it was received; empty when the manifest is not signed
    explicit operator bool() const { return !manifest.empty(); }
    bool operator==(const SignedManifest&) const = default;
};

// Boots keep what sessions wrote: while boots are left, or until a time, or where both are 0 without end.
struct Thaw {
    std::uint32_t boots = 0;
    std::uint64_t until = 0;  // seconds since 1970
    bool operator==(const Thaw&) const = default;
};

// A channel of the image that was believed. Whether it counts any more says store/known_channels.hpp.
struct KeptChannel {
    std::string text;       // as it was served, never empty
    std::string signature;  // as it was served
    bool operator==(const KeptChannel&) const = default;
};
// At most max_channels, the one that was believed last first.
using KeptChannels = std::vector<KeptChannel>;

struct ImageRecord {
    std::uint64_t sequence = 0;
    VolumeState state = VolumeState::provisioning;
    bool unknown = false;    // what marked blocks hold may already be golden: hash before fetching
    bool untouched = false;  // no block has been written since this version took the place of `before`
    std::uint64_t image_version = 0;
    std::uint64_t version_floor = 0;
    KeptChannels channels;
    std::string image;
    std::uint32_t unrestored_boots = 0;  // in a row, that the owner's policy allowed
    std::string document;  // URL that led to the manifest, for people; "" when that is not known
    DiskIdentity disk;
    std::string manifest;           // as it was received
    std::string signature;          // as it was received; empty when the manifest is not signed
    SignedManifest before;          // the version is on trial: what is gone back to unless it is confirmed
    std::uint32_t trial_boots = 0;  // that are left to it
    std::uint64_t rejected_version = 0;  // that was gone back from, and is not tried again; 0: none
    SignedManifest staged;               // what the next boot installs
    std::optional<Thaw> thaw;            // nothing: the next boot restores what is marked
    bool operator==(const ImageRecord&) const = default;
};

inline constexpr std::size_t image_record_size = 16384;
inline constexpr std::size_t max_signature_size = 128;
inline constexpr std::size_t max_channels = 4;
inline constexpr std::size_t max_document_size = 159;
inline constexpr std::uint32_t max_thawed_boots = 1000;
// So far that neither a step over an unreadable slot nor any number of writes comes near the end and wraps.
inline constexpr std::uint64_t max_record_sequence = UINT64_MAX >> 1;

// A URL as the record has room for it.
std::string document_field(const std::string& url);

// Failure::failed: not a record of this log. Failure::refused: unknown version, flags or state, a sequence
// number out of range.
Result<ImageRecord> parse_image_record(std::span<const std::byte, image_record_size> bytes, const Uuid& uuid);
// Errors: a text that is too long for its field, a number out of range.
Result<ByteVector> serialize_image_record(const ImageRecord& record, const Uuid& uuid);

}  // namespace regild::format
