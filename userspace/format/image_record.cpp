// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/image_record.hpp"

#include <endian.h>
#include <regild/regild_format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/crc32c.hpp"
#include "base/text.hpp"
#include "base/utc.hpp"
#include "format/manifest.hpp"

namespace regild::format {
namespace {

static_assert(image_record_size == WRITELOG_RECORD_SIZE);
static_assert(max_channels == WRITELOG_RECORD_CHANNELS);
static_assert(max_document_size + 1 == sizeof(writelog_record::document));
static_assert(3 * (max_manifest_size + max_signature_size) +
                  max_channels * (max_channel_size + max_signature_size) <=
              WRITELOG_RECORD_TEXT_SIZE);
static_assert(static_cast<int>(VolumeState::provisioning) == WRITELOG_STATE_PROVISIONING &&
              static_cast<int>(VolumeState::restoring) == WRITELOG_STATE_RESTORING &&
              static_cast<int>(VolumeState::golden) == WRITELOG_STATE_GOLDEN);

constexpr std::uint64_t max_sectors = UINT64_MAX / WRITELOG_SECTOR_SIZE;

struct SignedLengths {
    std::uint32_t text;
    std::uint32_t signature;
};

bool may_be(const SignedLengths& lengths, std::size_t most) {
    return lengths.text <= most && lengths.signature <= max_signature_size;
}

Error not_a_record(const char* why) {
    return {Failure::failed, std::string("not an image record: ") + why};
}

Error refused(const std::string& why) {
    return {Failure::refused, "the log's image record " + why};
}

bool is_valid_sequence(std::uint64_t sequence) {
    return sequence > 0 && sequence <= max_record_sequence;
}

std::uint32_t record_crc(std::span<const std::byte, image_record_size> bytes, const Uuid& uuid) {
    return crc32c(bytes.subspan(offsetof(writelog_record, version)), crc32c(uuid.bytes));
}

// The text of a field that is padded with NULs; nothing when it is not terminated, has bytes behind its end
// or is not UTF-8 without control characters (it is shown to people).
template <std::size_t size>
std::optional<std::string> field_text(const __u8 (&field)[size]) {
    const std::string_view all(reinterpret_cast<const char*>(field), size);
    const std::size_t end = all.find('\0');
    if (end == std::string_view::npos || all.find_first_not_of('\0', end) != std::string_view::npos)
        return std::nullopt;
    if (!is_printable(all.substr(0, end))) return std::nullopt;
    return std::string(all.substr(0, end));
}

bool is_valid(const Thaw& thaw) {
    return thaw.boots <= max_thawed_boots && thaw.until <= max_utc && (thaw.boots == 0 || thaw.until == 0);
}

template <std::size_t size>
bool set_field(__u8 (&field)[size], const std::string& text) {
    if (text.size() >= size) return false;
    std::memcpy(field, text.data(), text.size());
    return field_text(field) == text;
}

}  // namespace

const char* to_string(VolumeState state) {
    switch (state) {
        case VolumeState::provisioning:
            return "provisioning";
        case VolumeState::restoring:
            return "restoring";
        case VolumeState::golden:
            return "golden";
    }
    return "unknown";
}

std::string document_field(const std::string& url) {
    constexpr std::string_view cut = "...";
    if (url.size() <= max_document_size) return printable(url);
    return printable(url.substr(0, max_document_size - cut.size())) + std::string(cut);
}

Result<ImageRecord> parse_image_record(std::span<const std::byte, image_record_size> bytes,
                                       const Uuid& uuid) {
    writelog_record wire;
    std::memcpy(&wire, bytes.data(), sizeof wire);
    if (std::memcmp(wire.magic, WRITELOG_RECORD_MAGIC, sizeof wire.magic) != 0)
        return not_a_record("wrong magic");
    if (le32toh(wire.crc) != record_crc(bytes, uuid)) return not_a_record("wrong checksum");

    if (le32toh(wire.version) != WRITELOG_VERSION)
        return refused("has format version " + std::to_string(le32toh(wire.version)) +
                       ", this regild knows version " + std::to_string(WRITELOG_VERSION));
    const std::uint32_t flags = le32toh(wire.flags);
    if ((flags & ~(WRITELOG_RECORD_UNKNOWN | WRITELOG_RECORD_UNTOUCHED | WRITELOG_RECORD_THAWED)) != 0)
        return refused("has flags that this regild does not know");
    const std::uint32_t state = le32toh(wire.state);
    if (state < WRITELOG_STATE_PROVISIONING || state > WRITELOG_STATE_GOLDEN)
        return refused("has a state that this regild does not know");
    const std::uint64_t sequence = le64toh(wire.sequence);
    if (!is_valid_sequence(sequence)) return refused("has an impossible sequence number");

    const SignedLengths installed{le32toh(wire.manifest_length), le32toh(wire.signature_length)};
    const SignedLengths before{le16toh(wire.before_manifest_length), le16toh(wire.before_signature_length)};
    const SignedLengths staged{le16toh(wire.staged_manifest_length), le16toh(wire.staged_signature_length)};
    for (const SignedLengths& lengths : {installed, before, staged})
        if (!may_be(lengths, max_manifest_size)) return refused("tells impossible lengths");
    std::array<SignedLengths, max_channels> channels{};
    for (std::size_t i = 0; i < max_channels; ++i) {
        channels[i] = {le16toh(wire.channels[i].length), le16toh(wire.channels[i].signature_length)};
        if (!may_be(channels[i], max_channel_size)) return refused("tells impossible lengths");
    }
    const std::uint64_t start = le64toh(wire.start_sector);
    const std::uint64_t size = le64toh(wire.size_sectors);
    if (start > max_sectors || size > max_sectors) return refused("tells an impossible disk");
    const bool thawed = (flags & WRITELOG_RECORD_THAWED) != 0;
    const Thaw thaw{le32toh(wire.thawed_boots), le64toh(wire.thawed_until)};
    if (thawed ? !is_valid(thaw) : thaw != Thaw{}) return refused("tells an impossible thaw");
    const std::optional<std::string> image = field_text(wire.image);
    const std::optional<std::string> partuuid = field_text(wire.partuuid);
    const std::optional<std::string> wwid = field_text(wire.wwid);
    const std::optional<std::string> document = field_text(wire.document);
    if (!image || !partuuid || !wwid || !document) return refused("has a text that is not one");

    std::string_view text(reinterpret_cast<const char*>(wire.text), sizeof wire.text);
    const auto next = [&text](std::size_t length) {
        std::string part(text.substr(0, length));
        text.remove_prefix(length);
        return part;
    };
    ImageRecord record;
    record.sequence = sequence;
    record.state = static_cast<VolumeState>(state);
    record.unknown = (flags & WRITELOG_RECORD_UNKNOWN) != 0;
    record.untouched = (flags & WRITELOG_RECORD_UNTOUCHED) != 0;
    record.image_version = le64toh(wire.image_version);
    record.version_floor = le64toh(wire.version_floor);
    record.image = *image;
    record.document = *document;
    record.unrestored_boots = le32toh(wire.unrestored_boots);
    record.disk = {*partuuid, *wwid, Sectors(start), Sectors(size)};
    record.trial_boots = le32toh(wire.trial_boots);
    record.rejected_version = le64toh(wire.rejected_version);
    record.manifest = next(installed.text);
    record.signature = next(installed.signature);
    record.before.manifest = next(before.text);
    record.before.signature = next(before.signature);
    record.staged.manifest = next(staged.text);
    record.staged.signature = next(staged.signature);
    for (const SignedLengths& lengths : channels) {
        KeptChannel channel;
        channel.text = next(lengths.text);
        channel.signature = next(lengths.signature);
        if (!channel.text.empty()) record.channels.push_back(std::move(channel));
    }
    if (thawed) record.thaw = thaw;
    return record;
}

Result<ByteVector> serialize_image_record(const ImageRecord& record, const Uuid& uuid) {
    if (!is_valid_sequence(record.sequence))
        return Error{Failure::refused, "its sequence numbers are used up: format the log anew"};
    writelog_record wire{};
    std::memcpy(wire.magic, WRITELOG_RECORD_MAGIC, sizeof wire.magic);
    wire.version = htole32(WRITELOG_VERSION);
    wire.sequence = htole64(record.sequence);
    wire.state = htole32(static_cast<std::uint32_t>(record.state));
    wire.flags = htole32((record.unknown ? WRITELOG_RECORD_UNKNOWN : 0) |
                         (record.untouched ? WRITELOG_RECORD_UNTOUCHED : 0) |
                         (record.thaw ? WRITELOG_RECORD_THAWED : 0));
    wire.image_version = htole64(record.image_version);
    wire.version_floor = htole64(record.version_floor);
    wire.start_sector = htole64(record.disk.start.count());
    wire.size_sectors = htole64(record.disk.size.count());
    wire.unrestored_boots = htole32(record.unrestored_boots);
    wire.trial_boots = htole32(record.trial_boots);
    wire.rejected_version = htole64(record.rejected_version);
    if (record.thaw) {
        if (!is_valid(*record.thaw))
            return Error{Failure::failed, "no such thaw can be kept in the log's image record"};
        wire.thawed_boots = htole32(record.thaw->boots);
        wire.thawed_until = htole64(record.thaw->until);
    }
    if (!set_field(wire.image, record.image) || !set_field(wire.partuuid, record.disk.partuuid) ||
        !set_field(wire.wwid, record.disk.wwid) || !set_field(wire.document, record.document))
        return Error{Failure::failed,
                     "the image's name, its URL or the disk's identity does not fit into the log's image "
                     "record"};
    const auto fits = [](const std::string& text, const std::string& signature, std::size_t most) {
        return text.size() <= most && signature.size() <= max_signature_size;
    };
    if (!fits(record.manifest, record.signature, max_manifest_size) ||
        !fits(record.before.manifest, record.before.signature, max_manifest_size) ||
        !fits(record.staged.manifest, record.staged.signature, max_manifest_size))
        return Error{Failure::failed, "a manifest and its signature do not fit into the log's image record"};
    if (record.channels.size() > max_channels)
        return Error{Failure::failed, "so many channels do not fit into the log's image record"};
    for (const KeptChannel& channel : record.channels)
        if (channel.text.empty() || !fits(channel.text, channel.signature, max_channel_size))
            return Error{Failure::failed,
                         "a channel and its signature do not fit into the log's image record"};
    __u8* text = wire.text;
    const auto put = [&text](const std::string& part) {
        std::ranges::copy(part, text);
        text += part.size();
        return static_cast<std::uint16_t>(part.size());
    };
    wire.manifest_length = htole32(put(record.manifest));
    wire.signature_length = htole32(put(record.signature));
    wire.before_manifest_length = htole16(put(record.before.manifest));
    wire.before_signature_length = htole16(put(record.before.signature));
    wire.staged_manifest_length = htole16(put(record.staged.manifest));
    wire.staged_signature_length = htole16(put(record.staged.signature));
    for (std::size_t i = 0; i < record.channels.size(); ++i) {
        wire.channels[i].length = htole16(put(record.channels[i].text));
        wire.channels[i].signature_length = htole16(put(record.channels[i].signature));
    }

    ByteVector bytes(image_record_size);
    std::memcpy(bytes.data(), &wire, sizeof wire);
    const std::uint32_t crc = htole32(record_crc(std::span<const std::byte, image_record_size>(bytes), uuid));
    std::memcpy(bytes.data() + offsetof(writelog_record, crc), &crc, sizeof crc);
    return bytes;
}

}  // namespace regild::format
