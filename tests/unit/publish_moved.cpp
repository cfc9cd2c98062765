// SPDX-License-Identifier: GPL-2.0-or-later
// What publish says of how a version differs from the one before it.
#include "publish/moved.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "files.hpp"
#include "publish/publish.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::publish {
namespace {

constexpr std::size_t MB = std::size_t{1} << 20;

std::string noise(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);  // NOLINT: the same in every run
    std::string bytes(size, '\0');
    for (char& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

struct Publisher {
    // With version 1.
    explicit Publisher(const std::string& first) { publish(1, first); }
    std::optional<Moved> publish(std::uint64_t version, const std::string& image,
                                 std::uint64_t block_bytes = 65536) {
        test::write_file(directory / "golden.img", image);
        const Result<PublishReport> report =
            publish::publish({.image_file = directory / "golden.img",
                              .store = directory / "store",
                              .image = "kiosk",
                              .version = version,
                              .block_size = *BlockSize::from_bytes(block_bytes),
                              .channel = {},
                              .zstd_level = 1},
                             observer, stop);
        if (!report) FAIL(report.error().message);
        return report->difference;
    }
    bool warned() const { return observer.lines.find("was at other places before") != std::string::npos; }

    test::TemporaryDirectory directory;
    test::SilentObserver observer;
    StopFlag stop;
};

}  // namespace

TEST_CASE("publish warns of a version in which most of what differs was only moved") {
    const std::string content = noise(3 * MB, 1);
    const std::string zeros(MB, '\0');
    Publisher publisher(content + zeros);
    CHECK_FALSE(publisher.warned());
    SECTION("as in an image that was built anew") {
        const auto moved = publisher.publish(2, noise(4096, 2) + content + zeros.substr(4096));
        REQUIRE(moved);
        CHECK(moved->from_version == 1);
        CHECK(moved->differing == Blocks(49));
        CHECK(moved->moved_percent == 99);
        CHECK(publisher.warned());
    }
    SECTION("not of new content") {
        const auto moved = publisher.publish(2, noise(3 * MB, 2) + zeros);
        REQUIRE(moved);
        CHECK(moved->differing == Blocks(48));
        CHECK(moved->moved_percent == 0);
        CHECK_FALSE(publisher.warned());
    }
    SECTION("not of what stayed where it was in a block that differs") {
        std::string changed = content + zeros;
        for (std::size_t at = 0; at < 3 * MB; at += 65536)
            changed.replace(at, 4096, noise(4096, 3 + static_cast<unsigned>(at)));
        const auto moved = publisher.publish(2, changed);
        REQUIRE(moved);
        CHECK(moved->differing == Blocks(48));
        CHECK(moved->moved_percent == 0);
    }
    SECTION("not of little") {
        const auto moved = publisher.publish(
            2, content.substr(65536, 65536) + content.substr(0, 65536) + content.substr(2 * 65536) + zeros);
        REQUIRE(moved);
        CHECK(moved->differing == Blocks(2));
        CHECK_FALSE(moved->moved_percent);
        CHECK_FALSE(publisher.warned());
    }
}

TEST_CASE("a version is compared with the newest one before it, if that can be") {
    Publisher publisher(std::string(MB, '1'));
    publisher.publish(5, std::string(MB, '5'));
    SECTION("of a lower number") {
        const auto moved = publisher.publish(3, std::string(MB, '1'));
        REQUIRE(moved);
        CHECK(moved->from_version == 1);
        CHECK(moved->differing == Blocks(0));
    }
    SECTION("not of another size or block size") {
        CHECK_FALSE(publisher.publish(6, std::string(2 * MB, '1')));
        CHECK_FALSE(publisher.publish(7, std::string(2 * MB, '1'), 4096));
    }
    SECTION("not of one that is damaged, which does not stop the next one") {
        std::filesystem::resize_file(publisher.directory / "store/kiosk/5/image.verity", 4096);
        CHECK_FALSE(publisher.publish(6, std::string(MB, '1')));
        CHECK(publisher.observer.lines.find("version 5 is not compared with") != std::string::npos);
    }
}

}  // namespace regild::publish
