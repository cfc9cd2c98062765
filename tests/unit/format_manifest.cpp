// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/manifest.hpp"

#include <catch2/catch.hpp>

#include "format_golden.hpp"

using namespace regild;
using namespace regild::format;

namespace {

// The golden manifest with one text in it replaced.
std::string with(const std::string& what, const std::string& by) {
    std::string text = test::golden_text("manifest.json");
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

std::string message_of(const std::string& text) {
    const auto manifest = parse_manifest(text);
    return manifest ? "" : manifest.error().message;
}

}  // namespace

TEST_CASE("a manifest is read and written as the golden file has it") {
    const std::string golden = test::golden_text("manifest.json");
    const auto manifest = parse_manifest(golden);
    REQUIRE(manifest.ok());
    CHECK(manifest->image == "kiosk");
    CHECK(manifest->version == 7);
    CHECK(manifest->size == Bytes(1228800));
    CHECK(manifest->blocks() == Blocks(300));
    CHECK(manifest->padded_size() == Bytes(1228800));
    CHECK(manifest->data_file == "image.zst");
    CHECK(manifest->index_file == "image.index");
    CHECK(manifest->tree_file == "image.verity");
    CHECK(manifest->salt.size() == 32);
    CHECK(serialize_manifest(*manifest) == golden);
    CHECK(*document_type(golden) == DocumentType::manifest);
}

TEST_CASE("a channel is read and written as the golden file has it") {
    const std::string golden = test::golden_text("stable.json");
    const auto channel = parse_channel(golden);
    REQUIRE(channel.ok());
    CHECK(*channel == Channel{"kiosk", 7, "stable", 12, 1795777200, 25, "kiosk/7", {"lobby", "hall"}});
    CHECK(serialize_channel(*channel) == golden);
    CHECK(*document_type(golden) == DocumentType::channel);
    CHECK_FALSE(parse_manifest(golden).ok());
    CHECK_FALSE(parse_channel(test::golden_text("manifest.json")).ok());
}

TEST_CASE("a manifest without a salt is a manifest") {
    const auto manifest =
        parse_manifest(with("\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"", "\"\""));
    REQUIRE(manifest.ok());
    CHECK(manifest->salt.empty());
}

TEST_CASE("what is wrong with a manifest is named") {
    struct Case {
        const char* what;
        const char* by;
        const char* key;
    };
    for (const Case& c :
         {Case{"\"format\": 1", "\"format\": 2", "'format' is 2"},
          Case{"\"format\": 1", "\"format\": \"1\"", "'format'"},
          Case{"\"regild-manifest\"", "\"other\"", "'type'"},
          Case{"    \"image\": \"kiosk\",\n", "", "'image' is missing"},
          Case{"\"kiosk\"", "\"../kiosk\"", "'image'"},
          Case{"\"kiosk\"", "\"kiosk\\u0000\"", "'image'"},
          Case{"\"kiosk\"", "[\"kiosk\"]", "'image' must be a string"},
          Case{"\"version\": 7", "\"version\": 0", "'version'"},
          Case{"\"version\": 7", "\"version\": -7", "'version'"},
          Case{"\"version\": 7", "\"version\": 7.0", "'version'"},
          Case{"\"version\": 7", "\"version\": 9007199254740992", "'version'"},
          Case{"\"version\": 7", "\"version\": 99999999999999999999999", "'version'"},
          Case{"\"version\": 7", "\"version\": 7, \"version\": 8", "'version' comes twice"},
          Case{"1228800", "1228801", "'size'"},
          Case{"1228800", "0", "'size'"},
          Case{"1228800", "18446744073709551104", "'size'"},
          Case{"1228800", "9223372036854775296", "2^31 blocks"},
          Case{"\"block_size\": 4096", "\"block_size\": 1000", "'block_size'"},
          Case{"\"block_size\": 4096", "\"block_size\": 1048576", "'block_size'"},
          Case{"image.zst", "../image.zst", "'data.file'"},
          Case{"image.zst", "", "'data.file'"},
          Case{"image.zst", ".hidden", "'data.file'"},
          Case{"image.zst", "a?b", "'data.file'"},
          Case{"image.index", "a/b", "'data.index'"},
          Case{"\"zstd\"", "\"gzip\"", "'data.compression'"},
          Case{"\"data\": {", "\"data\": \"image.raw\", \"other\": {", "'data'"},
          Case{"image.verity", "a/b", "'tree.file'"},
          Case{"sha256", "sha1", "'tree.algorithm'"},
          Case{"\"hash_block_size\": 4096", "\"hash_block_size\": 512", "'tree.hash_block_size'"},
          Case{"\"0011", "\"001", "'tree.salt'"},
          Case{"\"0011", "\"00zz", "'tree.salt'"},
          Case{"\"4c0e1f6a-", "\"4c0e1f6a", "'tree.uuid'"},
          Case{"\"66a1", "\"66", "'tree.root_hash'"},
          Case{"\"66a1", "\"66a100", "'tree.root_hash'"},
          Case{"\"root_hash\"", "\"root\"", "'tree.root_hash' is missing"},
          Case{"\"root_hash\"", "\"uuid\"", "'uuid' comes twice"},
          Case{"\"tree\": {", "\"tree\": 1, \"other\": {", "'tree'"}}) {
        const std::string message = message_of(with(c.what, c.by));
        INFO(c.by << " gave: " << message);
        CHECK(message.find(c.key) != std::string::npos);
    }
}

TEST_CASE("a document may have keys that its reader does not know, but not require what it does not know") {
    CHECK(parse_manifest(with("\"version\": 7", "\"version\": 7, \"extra\": [8, {\"a\": null}]")).ok());
    CHECK(parse_manifest(with("\"algorithm\"", "\"x\": 1, \"algorithm\"")).ok());
    CHECK(parse_manifest(with("\"version\": 7", "\"version\": 7, \"requires\": []")).ok());

    CHECK(message_of(with("\"version\": 7", "\"version\": 7, \"requires\": [\"parts\"]"))
              .find("'requires' names 'parts', which this regild does not know: a newer regild is needed") !=
          std::string::npos);
    // Also where what is required may be what makes the rest look wrong.
    CHECK(
        message_of(with("\"version\": 7", "\"version\": \"7.1\", \"requires\": [\"parts\"]")).find("parts") !=
        std::string::npos);
    for (const char* bad : {"\"parts\"", "[1]", "{}", "null", "[\"parts\", 1]"})
        CHECK(message_of(with("\"version\": 7", std::string("\"version\": 7, \"requires\": ") + bad))
                  .find("'requires' ") != std::string::npos);

    const std::string channel =
        R"({"type": "regild-channel", "format": 1, "image": "a", "channel": "c", "serial": 1, "version": 1,)"
        R"("issued": "2026-11-24T00:00:00Z")";
    CHECK(parse_channel(channel + R"(, "since": "2026-11-24"})").ok());
    const auto refused = parse_channel(channel + R"(, "requires": ["share"]})");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("'share'") != std::string::npos);
}

TEST_CASE("what is not JSON, or too long or too deep, is no manifest") {
    const std::string golden = test::golden_text("manifest.json");
    for (const std::string& bad :
         {std::string(), std::string("{"), std::string("[]"), std::string("7"), std::string("null"),
          golden + "x", golden + golden, golden.substr(0, golden.size() / 2),
          std::string("{\"type\": \"\xff\"}"), std::string("{\"version\": 1e999}"), std::string(6000, '['),
          std::string("{\"a\":") + std::string(20, '[') + std::string(20, ']') + "}",
          std::string("{}\0", 3)}) {
        CHECK_FALSE(parse_manifest(bad).ok());
        CHECK_FALSE(parse_channel(bad).ok());
        CHECK_FALSE(document_type(bad).ok());
    }
    CHECK(parse_manifest(golden + std::string(max_manifest_size - golden.size(), ' ')).ok());
    CHECK_FALSE(parse_manifest(golden + std::string(max_manifest_size + 1 - golden.size(), ' ')).ok());
    const std::string channel = test::golden_text("stable.json");
    CHECK(parse_channel(channel + std::string(max_channel_size - channel.size(), ' ')).ok());
    CHECK_FALSE(parse_channel(channel + std::string(max_channel_size + 1 - channel.size(), ' ')).ok());
    CHECK(message_of(std::string("{\"\x1b[31m") + "\": 1}").find('\x1b') == std::string::npos);
}

TEST_CASE("a manifest of the largest size fits into an image record") {
    Manifest manifest = *parse_manifest(test::golden_text("manifest.json"));
    manifest.image = std::string(63, 'i');
    manifest.version = (std::uint64_t{1} << 53) - 1;
    manifest.data_file = std::string(255, 'd');
    manifest.index_file = std::string(255, 'i');
    manifest.tree_file = std::string(255, 't');
    manifest.salt = ByteVector(256, std::byte{0xff});
    const std::string text = serialize_manifest(manifest);
    CHECK(text.size() <= max_manifest_size);
    CHECK(*parse_manifest(text) == manifest);
}

TEST_CASE("names of images and channels are plain") {
    for (const char* good : {"a", "kiosk-1.2_x", "7"})
        CHECK(is_valid_name(good));
    CHECK(is_valid_name(std::string(63, 'a')));
    CHECK_FALSE(is_valid_name(std::string(64, 'a')));
    for (const char* bad : {"", ".", "..", "-a", "_a", "A", "a/b", "a b", "ä", "a\n"})
        CHECK_FALSE(is_valid_name(bad));
}
