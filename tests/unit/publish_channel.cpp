// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/channel.hpp"

#include <catch2/catch.hpp>

#include "files.hpp"
#include "publish/publish.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::publish {
namespace {

// Versions 1 to 3, of which the channel stable names the first.
struct Store {
    Store() {
        test::write_file(directory / "golden.img", std::string(65536, 'g'));
        for (std::uint64_t version = 1; version <= 3; ++version) {
            PublishRequest request{.image_file = directory / "golden.img",
                                   .store = path(),
                                   .image = "kiosk",
                                   .version = version,
                                   .block_size = *BlockSize::from_bytes(4096),
                                   .channel = {}};
            if (version == 1) request.channel = "stable";
            REQUIRE(publish(request, observer, stop).ok());
        }
    }
    std::filesystem::path path() { return directory / "store"; }
    Result<NextChannel> promote(std::uint64_t version, const std::string& channel = "stable") {
        return publish::promote({path(), "kiosk", version, channel});
    }
    format::Channel channel(const std::string& name = "stable") {
        return format::parse_channel(test::read_file(path() / "kiosk" / (name + ".json"))).value();
    }

    test::TemporaryDirectory directory;
    test::SilentObserver observer;
    StopFlag stop;
};

}  // namespace

TEST_CASE("a channel is pointed at a version that is there, with the next serial number") {
    Store store;
    CHECK(store.channel() == format::Channel{"kiosk", 1, "stable", 1});
    REQUIRE(store.promote(2).ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 2});
    REQUIRE(store.promote(2).ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 3});
    REQUIRE(store.promote(3, "testing").ok());
    CHECK(store.channel("testing") == format::Channel{"kiosk", 3, "testing", 1});
}

TEST_CASE("a channel is not pointed back, nor at what is not there") {
    Store store;
    REQUIRE(store.promote(2).ok());
    const auto kind_of = [](const Result<NextChannel>& result) {
        REQUIRE_FALSE(result.ok());
        return result.error().kind;
    };
    CHECK(kind_of(store.promote(1)) == Failure::refused);
    CHECK(kind_of(store.promote(4)) == Failure::refused);
    CHECK(kind_of(store.promote(3, "manifest")) == Failure::usage);
    CHECK(kind_of(store.promote(3, "../x")) == Failure::usage);
    CHECK(kind_of(promote({store.path(), "other", 1, "stable"})) == Failure::refused);
    CHECK_FALSE(std::filesystem::exists(store.path() / "other"));
    const Result<ImageFolder> publisher = ImageFolder::open(store.path(), "kiosk");
    REQUIRE(publisher.ok());
    CHECK(kind_of(store.promote(3)) == Failure::refused);
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 2});
}

}  // namespace regild::publish
