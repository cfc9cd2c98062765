// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/image_record.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "base/crc32c.hpp"
#include "base/utc.hpp"
#include "format/manifest.hpp"
#include "format_golden.hpp"

using namespace regild;
using namespace regild::format;

namespace {

const Uuid uuid = *Uuid::parse("7d0c5a4e-2f4b-4b5f-9c55-3f1f6c2b8a01");

std::span<const std::byte, image_record_size> as_record(const ByteVector& bytes) {
    return std::span<const std::byte, image_record_size>(bytes);
}

ImageRecord example() {
    ImageRecord record;
    record.sequence = 41;
    record.state = VolumeState::restoring;
    record.unknown = true;
    record.image_version = 7;
    record.version_floor = 6;
    record.unrestored_boots = 3;
    record.image = "kiosk";
    record.document = "https://images.example/kiosk/stable.json";
    record.disk = {"0d8f4c1e-5b0b-4c1a-9b57-2f6f7d1c3a55", "S3R1AL", Sectors(2048), Sectors(258400)};
    record.manifest = "{}";
    record.signature = std::string("\0\1\2", 3);
    record.untouched = true;
    record.before = {"{ }", "before"};
    record.trial_boots = 2;
    record.rejected_version = 5;
    record.staged = {"{  }", std::string("\0", 1)};
    record.thaw = Thaw{.until = max_utc};
    record.channels = {{"{   }", std::string("\0\xff", 2)}, {"as it was served", ""}};
    return record;
}

ByteVector forged(std::size_t offset, std::string_view with) {
    ByteVector bytes = *serialize_image_record(example(), uuid);
    std::memcpy(bytes.data() + offset, with.data(), with.size());
    const std::uint32_t crc = crc32c(std::span(bytes).subspan(12), crc32c(uuid.bytes));
    for (std::size_t i = 0; i < 4; ++i)
        bytes[8 + i] = static_cast<std::byte>(crc >> (8 * i));
    return bytes;
}

}  // namespace

TEST_CASE("an image record survives being written and read") {
    const auto bytes = serialize_image_record(example(), uuid);
    REQUIRE(bytes.ok());
    const auto parsed = parse_image_record(as_record(*bytes), uuid);
    REQUIRE(parsed.ok());
    CHECK(*parsed == example());
}

TEST_CASE("an image record is read and written as the golden file has it") {
    const ByteVector golden = test::golden_bytes("record.bin");
    const auto record = parse_image_record(as_record(golden), uuid);
    REQUIRE(record.ok());
    CHECK(record->sequence == 3);
    CHECK(record->state == VolumeState::golden);
    CHECK_FALSE(record->unknown);
    CHECK(record->image == "kiosk");
    CHECK(record->image_version == 7);
    CHECK(record->version_floor == 6);
    CHECK(record->unrestored_boots == 2);
    CHECK(record->document == "http://images.example/kiosk/stable.json");
    CHECK(record->disk == DiskIdentity{"0d8f4c1e-5b0b-4c1a-9b57-2f6f7d1c3a55", "QEMU-HARDDISK-0001",
                                       Sectors(2048), Sectors(258400)});
    CHECK(parse_manifest(record->manifest)->size == to_bytes(Sectors(258397)));
    CHECK(record->signature == "an example of a signature\n");
    CHECK(record->untouched);
    CHECK(record->trial_boots == 3);
    REQUIRE(record->channels.size() == 2);
    CHECK(*parse_channel(record->channels[0].text) == Channel{"kiosk", 7, "stable", 11, 1795777200});
    CHECK(record->channels[0].signature == "of stable");
    CHECK(*parse_channel(record->channels[1].text) == Channel{"kiosk", 7, "testing", 4, 1795000000});
    CHECK(record->channels[1].signature == "of testing");
    CHECK(record->rejected_version == 8);
    CHECK(parse_manifest(record->before.manifest)->version == 6);
    CHECK(record->before.signature == "of six");
    CHECK(parse_manifest(record->staged.manifest)->version == 9);
    CHECK(record->staged.signature == "and of nine");
    CHECK(record->thaw == Thaw{.boots = 4});
    CHECK(*serialize_image_record(*record, uuid) == golden);
}

TEST_CASE("a damaged image record, or one of another log, is none") {
    const ByteVector good = *serialize_image_record(example(), uuid);
    CHECK(parse_image_record(as_record(good), Uuid()).error().kind == Failure::failed);
    CHECK(parse_image_record(as_record(ByteVector(image_record_size)), uuid).error().kind == Failure::failed);
    for (std::size_t at = 0; at < good.size(); at += 61) {
        ByteVector bad = good;
        bad[at] ^= std::byte{0x10};
        REQUIRE(parse_image_record(as_record(bad), uuid).error().kind == Failure::failed);
    }
    // Torn: some sectors are new, some are not.
    ImageRecord newer = example();
    newer.sequence = 43;
    newer.manifest = std::string(max_manifest_size, 'm');
    const ByteVector other = *serialize_image_record(newer, uuid);
    for (std::size_t cut = 512; cut < 512 + max_manifest_size; cut += 512) {
        ByteVector torn = other;
        std::memcpy(torn.data() + cut, good.data() + cut, good.size() - cut);
        REQUIRE(parse_image_record(as_record(torn), uuid).error().kind == Failure::failed);
    }
}

TEST_CASE("a valid image record that this version does not understand is refused") {
    using namespace std::string_view_literals;
    struct Forgery {
        const char* what;
        std::size_t offset;
        std::string_view bytes;
    };
    for (const Forgery& f : {Forgery{"version 2", 12, "\2"sv},
                             Forgery{"sequence 0", 16, "\0"sv},
                             Forgery{"sequence 2^64 - 1", 16, "\xff\xff\xff\xff\xff\xff\xff\xff"sv},
                             Forgery{"sequence 2^63", 16, "\0\0\0\0\0\0\0\x80"sv},
                             Forgery{"state 0", 24, "\0"sv},
                             Forgery{"state 4", 24, "\4"sv},
                             Forgery{"a flag", 28, "\x8"sv},
                             Forgery{"a start that overflows", 288, "\0\0\0\0\0\0\0\xff"sv},
                             Forgery{"a size that overflows", 296, "\0\0\0\0\0\0\0\xff"sv},
                             Forgery{"a manifest that is too long", 304, "\1\xc\0\0"sv},
                             Forgery{"a manifest before that is too long", 488, "\1\xc"sv},
                             Forgery{"a signature before that is too long", 490, "\x81\0"sv},
                             Forgery{"a staged manifest that is too long", 492, "\1\xc"sv},
                             Forgery{"a staged signature that is too long", 494, "\x81\0"sv},
                             Forgery{"a signature that is too long", 308, "\x81\0\0\0"sv},
                             Forgery{"lengths that overflow", 304, "\xff\xff\xff\xff\2\0\0\0"sv},
                             Forgery{"a thaw without its flag", 28, "\3"sv},
                             Forgery{"a thaw until the year 10000", 480, "\x80\x41\xf4\xff\x3a"sv},
                             Forgery{"a thaw of boots and until a time", 504, "\1"sv},
                             Forgery{"a thaw of too many boots", 480,
                                     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xe9\3"sv},
                             Forgery{"a channel that is too long", 15744, "\1\5"sv},
                             Forgery{"a fourth channel that is too long", 15756, "\1\5"sv},
                             Forgery{"a signature of a channel that is too long", 15746, "\x81\0"sv},
                             Forgery{"bytes behind a name", 48, "a\0b"sv},
                             Forgery{"a control character", 48, "a\x1b[m"sv},
                             Forgery{"a document that is no text", 312, "\xff"sv}}) {
        INFO(f.what);
        const auto parsed = parse_image_record(as_record(forged(f.offset, f.bytes)), uuid);
        REQUIRE_FALSE(parsed.ok());
        CHECK(parsed.error().kind == Failure::refused);
    }
    CHECK(parse_image_record(as_record(forged(160, std::string(128, 'w'))), uuid).error().kind ==
          Failure::refused);
}

TEST_CASE("three versions and four channels of any length fit into an image record") {
    ImageRecord record = example();
    record.manifest = std::string(max_manifest_size, 'm');
    record.signature = std::string(max_signature_size, 's');
    record.before = {std::string(max_manifest_size, 'b'), std::string(max_signature_size, 'c')};
    record.staged = {std::string(max_manifest_size, 'x'), std::string(max_signature_size, 'y')};
    record.channels.clear();
    for (const char c : {'1', '2', '3', '4'})
        record.channels.push_back({std::string(max_channel_size, c), std::string(max_signature_size, c)});
    const ByteVector bytes = *serialize_image_record(record, uuid);
    CHECK(parse_image_record(as_record(bytes), uuid).value() == record);
}

TEST_CASE("what does not fit into an image record is not written") {
    const auto fits = [](auto change) {
        ImageRecord record = example();
        change(record);
        return serialize_image_record(record, uuid).ok();
    };
    CHECK(fits([](ImageRecord& r) { r.image = std::string(63, 'i'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.image = std::string(64, 'i'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.image = std::string("a\0b", 3); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.disk.partuuid = std::string(48, 'p'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.disk.wwid = std::string(128, 'w'); }));
    CHECK(fits([](ImageRecord& r) { r.document = std::string(max_document_size, 'd'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.document = std::string(max_document_size + 1, 'd'); }));
    CHECK(fits([](ImageRecord& r) { r.manifest = std::string(max_manifest_size, 'm'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.manifest = std::string(max_manifest_size + 1, 'm'); }));
    CHECK(fits([](ImageRecord& r) { r.signature = std::string(max_signature_size, 's'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.signature = std::string(max_signature_size + 1, 's'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.before.manifest = std::string(max_manifest_size + 1, 'm'); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.staged.signature = std::string(max_signature_size + 1, 's'); }));
    CHECK(fits([](ImageRecord& r) { r.channels = KeptChannels(max_channels, {"text", ""}); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.channels = KeptChannels(max_channels + 1, {"text", ""}); }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.channels = {{"", "of nothing"}}; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.channels = {{std::string(max_channel_size + 1, 'c'), ""}}; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.channels = {{"c", std::string(max_signature_size + 1, 's')}}; }));
    CHECK(fits([](ImageRecord& r) { r.thaw = Thaw{.boots = max_thawed_boots}; }));
    CHECK(fits([](ImageRecord& r) { r.thaw = Thaw{}; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.thaw = Thaw{.boots = max_thawed_boots + 1}; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.thaw = Thaw{.until = max_utc + 1}; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.thaw = Thaw{.boots = 1, .until = 1}; }));
    CHECK(fits([](ImageRecord& r) { r.sequence = max_record_sequence; }));
    CHECK_FALSE(fits([](ImageRecord& r) { r.sequence = max_record_sequence + 1; }));
}
