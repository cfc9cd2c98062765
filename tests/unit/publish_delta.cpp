// SPDX-License-Identifier: GPL-2.0-or-later
// Deltas from a disk through `regild capture` into a store, and those of strangers.
#include "publish/delta.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli_session.hpp"
#include "codec/zstd.hpp"
#include "files.hpp"
#include "format/delta.hpp"
#include "format_golden.hpp"
#include "publish/delta_reader.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::read_file;
using test::write_file;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t block_count = 300;
constexpr std::size_t image_bytes = (block_count - 1) * block_bytes + 1024;

// A master machine with version 1, on which a session wrote.
class Master : public test::CommandLine {
  public:
    Master() {
        std::string image(image_bytes, '\0');
        for (std::size_t n = 0; n < block_count; ++n)
            if (n % 10 != 9)
                for (std::size_t at = n * block_bytes; at < std::min((n + 1) * block_bytes, image_bytes);
                     ++at)
                    image[at] = static_cast<char>(at * 2654435761 >> 16 ^ n);
        write_file(directory / "golden.img", image);
        for (const char* const name : {"disk", "log"}) {
            write_file(directory / name, "");
            fs::resize_file(directory / name, name[0] == 'd' ? image_bytes : 1 << 20);
        }
        REQUIRE(publish_file("golden.img", "store", 1) == 0);
        REQUIRE(on_volume("provision") == 0);
        session({3, 4, 9, 128, 257, 299});
    }
    int publish_file(const std::string& file, const std::string& store, std::uint64_t version) {
        return run({"publish", directory / file, "--store", directory / store, "--image", "kiosk",
                    "--version", std::to_string(version), "--block-size", "4K", "--channel", "stable"});
    }
    int on_volume(const std::string& command, const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{command,
                                       "--data",
                                       directory / "disk",
                                       "--log",
                                       directory / "log",
                                       "--source",
                                       "file://" + (store() / "stable.json").string()};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }
    int publish_delta(const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{"publish", "--delta", delta, "--store", directory / "store"};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }
    // Something else in each of these blocks, and zeros in block 150.
    void session(const std::vector<std::size_t>& wrote) {
        for (const std::size_t block : wrote)
            test::overwrite(directory / "disk", block * block_bytes, "a session was here");
        test::overwrite(directory / "disk", 150 * block_bytes, std::string(block_bytes, '\0'));
        std::vector<std::string> words{"mark", "--log", directory / "log", "150"};
        for (const std::size_t block : wrote)
            words.push_back(std::to_string(block));
        REQUIRE(run(words) == 0);
    }
    fs::path store() const { return directory / "store" / "kiosk"; }
    // Failure and message of this delta, which leaves the store as it is.
    Error refusal(const std::string& bytes) {
        write_file(delta, bytes);
        const Result<DeltaReport> report = publish::publish_delta(
            {.delta = delta, .store = directory / "store", .channel = {}, .zstd_level = 1}, observer, stop);
        REQUIRE_FALSE(report.ok());
        CHECK(std::distance(fs::directory_iterator(store()), {}) == 2);  // version 1 and its channel
        return report.error();
    }

    test::TemporaryDirectory directory;
    fs::path delta = directory / "2.delta";
    test::SilentObserver observer;
};

// A delta by hand, with the manifest of another one.
struct Forged {
    format::DeltaHeader header;
    std::string manifest;
    std::string entries;

    explicit Forged(const std::string& delta) {
        header = format::parse_delta_header(as_bytes(delta).first<format::delta_header_size>()).value();
        manifest = delta.substr(format::delta_header_size, header.manifest_length);
        entries = delta.substr(format::delta_header_size + header.manifest_length);
    }
    std::string bytes() const {
        return std::string(as_text(format::serialize_delta_header(header))) + manifest + entries;
    }
    void change_manifest(const std::string& from, const std::string& to) {
        manifest.replace(manifest.find(from), from.size(), to);
        header.manifest_length = static_cast<std::uint32_t>(manifest.size());
    }
};

std::string entry_text(std::uint64_t block, std::uint32_t length) {
    return std::string(as_text(format::serialize_delta_entry({BlockIndex(block), length})));
}

}  // namespace

TEST_CASE_METHOD(Master,
                 "a published delta gives the very files that its disk gives when it is published whole") {
    REQUIRE(on_volume("capture", {"--json", delta}) == 0);
    const json captured = json::parse(out);
    CHECK(captured["version"] == 2);
    CHECK(captured["holds_version"] == 2);
    CHECK(captured["marked_blocks"] == 7);
    CHECK(captured["changed_blocks"] == 7);
    CHECK(captured["zero_blocks"] == 1);
    REQUIRE(publish_delta({"--channel", "stable", "--json"}) == 0);
    const json published = json::parse(out);
    CHECK(published["version"] == 2);
    CHECK(published["base_version"] == 1);
    CHECK(published["changed_blocks"] == 7);
    CHECK(published["root_hash"] == captured["root_hash"]);

    REQUIRE(publish_file("disk", "other-store", 2) == 0);
    for (const char* const file : {"manifest.json", "image.zst", "image.index", "image.verity"})
        CHECK(read_file(store() / "2" / file) == read_file(directory / "other-store/kiosk/2" / file));
    CHECK(json::parse(read_file(store() / "stable.json"))["version"] == 2);

    // The master is that version, and another session on it is undone to it.
    CHECK(on_volume("verify") == 0);
    const std::string disk = read_file(directory / "disk");
    session({7, 128});
    REQUIRE(on_volume("restore") == 0);
    CHECK(read_file(directory / "disk") == disk);
}

TEST_CASE_METHOD(Master, "with keys a master holds the version before until the new one is signed") {
    REQUIRE(run({"keygen", directory / "key"}) == 0);
    const std::string key = directory / "key";
    const std::string keys = key + ".pub";
    const auto sign = [&](const std::string& file) { return run({"sign", "--key", key, store() / file}); };
    REQUIRE(sign("1/manifest.json") == 0);
    REQUIRE(sign("stable.json") == 0);
    REQUIRE(on_volume("format", {"--keys", keys}) == 0);
    REQUIRE(on_volume("provision", {"--keys", keys}) == 0);
    session({3, 4});
    // Also where they are forgotten.
    const bool keys_given = GENERATE(true, false);
    REQUIRE(on_volume("capture", keys_given ? std::vector<std::string>{"--keys", keys, "--json", delta}
                                            : std::vector<std::string>{"--json", delta}) == 0);
    CHECK(json::parse(out)["holds_version"] == 1);
    const std::string disk = read_file(directory / "disk");

    REQUIRE(publish_delta({"--channel", "stable"}) == 0);
    REQUIRE(sign("2/manifest.json") == 0);
    REQUIRE(sign("stable.json") == 0);
    REQUIRE(on_volume("update", {"--keys", keys}) == 0);
    CHECK(read_file(directory / "disk") == disk);
}

TEST_CASE_METHOD(Master, "a number that the store has already is not captured under") {
    REQUIRE(publish_file("golden.img", "store", 2) == 0);
    CHECK(on_volume("capture", {delta}) == 5);
    CHECK(err.find("is there already") != std::string::npos);
    CHECK_FALSE(fs::exists(delta));
    CHECK(on_volume("capture", {"--version", "3", delta}) == 0);
    CHECK(publish_delta() == 0);
}

TEST_CASE_METHOD(Master, "a delta builds on the version that it was made from, and leads where it says") {
    REQUIRE(on_volume("capture", {delta}) == 0);
    const std::string good = read_file(delta);
    SECTION("another base") {
        Forged forged(good);
        forged.header.base_root_hash[0] ^= std::byte{1};
        CHECK(refusal(forged.bytes()).kind == Failure::refused);
    }
    SECTION("a base that is not there") {
        Forged forged(good);
        forged.header.base_version = 7;
        CHECK(refusal(forged.bytes()).kind == Failure::refused);
    }
    SECTION("another manifest") {
        Forged forged(good);
        forged.change_manifest("image.zst", "other.zst");
        CHECK(refusal(forged.bytes()).kind == Failure::refused);
    }
    SECTION("a block too few") {
        Forged forged(good);
        const auto last =
            format::parse_delta_entry(as_bytes(forged.entries).first<format::delta_entry_size>());
        forged.entries.erase(0, format::delta_entry_size + last.frame_length);
        --forged.header.entries;
        const Error error = refusal(forged.bytes());
        CHECK(error.kind == Failure::refused);
        CHECK(error.message.find("does not lead to the version") != std::string::npos);
    }
    SECTION("a version in the store that is damaged") {
        test::overwrite(store() / "1" / "image.verity", 8192, "damaged");
        const Error error = refusal(good);
        CHECK(error.kind == Failure::refused);
    }
}

TEST_CASE_METHOD(Master, "zeros that come in a frame of their own have none in the store") {
    REQUIRE(on_volume("capture", {delta}) == 0);
    Forged forged(read_file(delta));
    const std::size_t at = forged.entries.find(entry_text(150, 0));
    REQUIRE(at != std::string::npos);
    ByteVector frame(codec::longest_frame(Bytes(block_bytes)).count());
    codec::Compressor compressor(1);
    frame.resize(compressor.compress(ByteVector(block_bytes), frame)->count());
    forged.entries.replace(
        at, format::delta_entry_size,
        entry_text(150, static_cast<std::uint32_t>(frame.size())) + std::string(as_text(frame)));
    write_file(delta, forged.bytes());
    REQUIRE(publish_delta() == 0);
    REQUIRE(publish_file("disk", "other-store", 2) == 0);
    CHECK(read_file(store() / "2/image.zst") == read_file(directory / "other-store/kiosk/2/image.zst"));
}

TEST_CASE_METHOD(Master, "a damaged delta is told from a whole one") {
    REQUIRE(on_volume("capture", {delta}) == 0);
    const std::string good = read_file(delta);
    const auto is_damaged = [&](const std::string& bytes, const std::string& how) {
        const Error error = refusal(bytes);
        CHECK(error.kind == Failure::usage);
        CHECK(error.message.find(how) != std::string::npos);
    };
    const auto first_length =
        format::parse_delta_entry(as_bytes(Forged(good).entries).first<format::delta_entry_size>())
            .frame_length;
    SECTION("cut off") {
        for (const std::size_t length : {std::size_t{0}, std::size_t{63}, std::size_t{200}, good.size() - 1})
            is_damaged(good.substr(0, length), "it ends too early");
    }
    SECTION("with something behind it") {
        is_damaged(good + "x", "something follows");
    }
    SECTION("not one at all") {
        is_damaged(std::string(4096, 'x'), "it is no delta");
    }
    SECTION("of another version of the format") {
        std::string other = good;
        other[8] = 2;
        CHECK(refusal(other).kind == Failure::refused);
    }
    SECTION("a block twice") {
        Forged forged(good);
        forged.entries = forged.entries.substr(0, format::delta_entry_size + first_length) + forged.entries;
        ++forged.header.entries;
        is_damaged(forged.bytes(), "out of order");
    }
    SECTION("a block past the end") {
        Forged forged(good);
        forged.entries += entry_text(block_count, 0);
        ++forged.header.entries;
        is_damaged(forged.bytes(), "past the end");
    }
    SECTION("a frame that is none") {
        Forged forged(good);
        forged.entries[format::delta_entry_size] = 'x';
        is_damaged(forged.bytes(), "none of a block");
    }
    SECTION("a frame that is too long") {
        Forged forged(good);
        forged.entries.replace(0, format::delta_entry_size, entry_text(3, UINT32_MAX));
        is_damaged(forged.bytes(), "too long");
    }
    SECTION("a manifest that is none") {
        Forged forged(good);
        forged.change_manifest("regild-manifest", "regild-channel");
        CHECK(refusal(forged.bytes()).kind == Failure::usage);
    }
}

TEST_CASE_METHOD(Master, "publish says which options do not go with a delta") {
    REQUIRE(on_volume("capture", {delta}) == 0);
    CHECK(publish_delta({"--version", "3"}) == 2);
    CHECK(err.find("--version does not go with --delta") != std::string::npos);
    CHECK(publish_delta({"--raw"}) == 2);
    CHECK(publish_delta({"--zstd-level", "20"}) == 2);
    CHECK(run({"publish", directory / "golden.img", "--store", directory / "store"}) == 2);
    CHECK(err.find("--image NAME is missing") != std::string::npos);
    REQUIRE(publish_delta() == 0);
    CHECK(publish_delta() == 5);
    CHECK(err.find("a version is never overwritten") != std::string::npos);
}

TEST_CASE_METHOD(test::CommandLine,
                 "the golden delta leads to the version that is published from the whole image") {
    const test::TemporaryDirectory directory;
    const auto publish = [&](const std::string& store, const std::string& version) {
        return run({"publish", directory / "image", "--store", directory / store, "--image", "kiosk",
                    "--version", version, "--block-size", "4K"});
    };
    std::string image;
    for (char n = 0; n < 70; ++n)
        image += std::string(block_bytes, static_cast<char>(n + 1));
    write_file(directory / "image", image);
    REQUIRE(publish("store", "3") == 0);
    REQUIRE(run({"publish", "--delta", test::golden_path("small.delta"), "--store", directory / "store"}) ==
            0);

    const auto fill = [&](std::size_t block, const std::string& with) {
        for (std::size_t at = 0; at < block_bytes; at += with.size())
            image.replace(block * block_bytes + at, with.size(), with);
    };
    fill(2, "cd");
    fill(40, std::string(1, '\0'));
    fill(69, "last");
    write_file(directory / "image", image);
    REQUIRE(publish("whole", "4") == 0);
    for (const char* const file : {"manifest.json", "image.verity"})
        CHECK(read_file(directory / "store/kiosk/4" / file) == read_file(directory / "whole/kiosk/4" / file));
    write_file(directory / "back", "");
    write_file(directory / "log", "");
    fs::resize_file(directory / "back", image.size());
    fs::resize_file(directory / "log", 1 << 20);
    REQUIRE(run({"provision", "--data", directory / "back", "--log", directory / "log", "--source",
                 "file://" + std::string(directory / "store/kiosk/4/manifest.json")}) == 0);
    CHECK(read_file(directory / "back") == image);
}

}  // namespace regild::publish
