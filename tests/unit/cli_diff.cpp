// SPDX-License-Identifier: GPL-2.0-or-later
// regild diff on a store read through file: URLs, and on a disk that is a plain file.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli_session.hpp"
#include "files.hpp"
#include "format/frame_index.hpp"
#include "temporary_directory.hpp"

namespace regild::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t blocks = 300;  // three hash blocks below one

std::string block(char c) {
    return std::string(block_bytes, c);
}

// Version 1 has a letter in each block, a zero one here and there.
class Workplace : public test::CommandLine {
  public:
    Workplace() {
        for (std::size_t n = 0; n < blocks; ++n)
            first += block(n % 10 == 9 ? '\0' : static_cast<char>('A' + n % 26));
        REQUIRE(publish(1, first) == 0);
    }
    int publish(std::uint64_t version, const std::string& image, const std::string& name = "kiosk",
                const std::string& block_size = "4K") {
        test::write_file(directory / "golden.img", image);
        return run({"publish", directory / "golden.img", "--store", directory / "store", "--image", name,
                    "--version", std::to_string(version), "--block-size", block_size, "--channel", "stable"});
    }
    std::string url(std::uint64_t version, const std::string& name = "kiosk") const {
        return "file://" + (directory / "store" / name / std::to_string(version) / "manifest.json").string();
    }
    json diff(const std::vector<std::string>& words, int expected = 0) {
        std::vector<std::string> all{"diff", "--json"};
        all.insert(all.end(), words.begin(), words.end());
        REQUIRE(run(all) == expected);
        return json::parse(out);
    }
    // Of these blocks, in the index.
    std::uint64_t frames(std::uint64_t version, const std::vector<std::size_t>& of) const {
        const std::string index =
            test::read_file(directory / "store/kiosk" / std::to_string(version) / "image.index");
        std::uint64_t sum = 0;
        for (const std::size_t n : of) {
            const auto page = format::FrameIndexPage::parse(
                as_bytes(index)
                    .subspan(n / format::frames_per_page * format::index_page_size)
                    .first<format::index_page_size>());
            REQUIRE(page.has_value());
            sum += page->frame(n % format::frames_per_page).length.count();
        }
        return sum;
    }

    test::TemporaryDirectory directory;
    std::string first;
};

}  // namespace

TEST_CASE("diff tells the blocks in which two versions differ, and what would be fetched") {
    Workplace place;
    std::string second = place.first;
    for (const std::size_t n : {0, 1, 150, 299})
        second.replace(n * block_bytes, 8, "changed!");
    second.replace(40 * block_bytes, block_bytes, block('\0'));
    REQUIRE(place.publish(2, second) == 0);
    json json = place.diff({place.url(1), place.url(2)});
    CHECK(json.at("image") == "kiosk");
    CHECK(json.at("from_version") == 1);
    CHECK(json.at("version") == 2);
    CHECK(json.at("blocks") == blocks);
    CHECK(json.at("differing_blocks") == 5);
    CHECK(json.at("differing_bytes") == 5 * block_bytes);
    CHECK(json.at("zero_blocks") == 1);
    CHECK(json.at("fetch_bytes") == place.frames(2, {0, 1, 150, 299}));

    // The way back is another one: block 299 becomes zero, block 40 does not stay so.
    json = place.diff({place.url(2), place.url(1)});
    CHECK(json.at("differing_blocks") == 5);
    CHECK(json.at("zero_blocks") == 1);
    CHECK(json.at("fetch_bytes") == place.frames(1, {0, 1, 40, 150}));

    json = place.diff({place.url(2), "file://" + (place.directory / "store/kiosk/stable.json").string()});
    CHECK(json.at("differing_blocks") == 0);
    CHECK(json.at("fetch_bytes") == 0);

    REQUIRE(place.run({"diff", place.url(1), place.url(2)}) == 0);
    CHECK(place.out.find("image      kiosk, from version 1 to version 2\n"
                         "differ     5 blocks (20 KiB) of 300\n"
                         "zero       1 of them in version 2\n"
                         "to fetch   ") == 0);
}

TEST_CASE("diff refuses what cannot be compared and says why") {
    Workplace place;
    REQUIRE(place.publish(2, place.first + block('x')) == 0);
    REQUIRE(place.publish(3, place.first, "kiosk", "8K") == 0);
    REQUIRE(place.publish(1, place.first, "other") == 0);
    REQUIRE(place.run({"diff", place.url(1), place.url(2)}) == 5);
    CHECK(place.err.find("differ in size, 1228800 and 1232896 bytes") != std::string::npos);
    REQUIRE(place.run({"diff", place.url(1), place.url(3)}) == 5);
    CHECK(place.err.find("differ in block size, 4 KiB and 8 KiB") != std::string::npos);
    REQUIRE(place.run({"diff", place.url(1), place.url(1, "other")}) == 5);
    CHECK(place.err.find("are of two images") != std::string::npos);
    CHECK(place.run({"diff", place.url(1)}) == 2);
    CHECK(place.run({"diff", place.url(1), place.url(2), place.url(3)}) == 2);
    CHECK(place.run({"diff", place.url(1), place.url(2), "--data", "/nonexistent/disk"}) == 2);
    CHECK(place.run({"diff", place.url(1), "/no/url"}) == 2);
    CHECK(place.run({"diff", place.url(1), place.url(9)}) == 7);
    fs::remove(place.directory / "store/kiosk/1/image.verity");
    REQUIRE(place.publish(4, place.first.substr(0, blocks * block_bytes - block_bytes) + block('y')) == 0);
    REQUIRE(place.run({"diff", place.url(1), place.url(4)}) == 7);
    CHECK(place.err.find("hash tree of version 1 of kiosk") != std::string::npos);
}

TEST_CASE("diff of a disk tells what a restore would fetch, and writes nothing") {
    Workplace place;
    const fs::path disk = place.directory / "disk";
    test::write_file(disk, place.first + "behind the image");
    json json = place.diff({place.url(1), "--data", disk});
    CHECK(json.at("differing_blocks") == 0);
    CHECK(json.at("from_version").is_null());

    for (const std::size_t n : {0, 9, 150, 298})
        test::overwrite(disk, n * block_bytes, "a session");
    const std::string before = test::read_file(disk);
    json = place.diff({place.url(1), "--data", disk}, 6);
    CHECK(json.at("differing_blocks") == 4);
    CHECK(json.at("zero_blocks") == 1);
    CHECK(json.at("unreadable_blocks") == 0);
    CHECK(json.at("fetch_bytes") == place.frames(1, {0, 150, 298}));
    CHECK(test::read_file(disk) == before);

    fs::resize_file(disk, place.first.size() - 512);
    REQUIRE(place.run({"diff", place.url(1), "--data", disk}) == 5);
    CHECK(place.err.find("too small") != std::string::npos);
    CHECK(place.run({"diff", place.url(1), "--data", place.directory / "nowhere"}) == 1);
}

}  // namespace regild::cli
