// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/channel.hpp"

#include "base/utc.hpp"
#include "store_of_versions.hpp"

namespace regild::publish {
namespace {

// Versions 1 to 3, of which the channel stable names the first.
struct Store : test::StoreOfVersions {
    Store() : StoreOfVersions(0) {
        publish(1, "stable");
        publish(2);
        publish(3);
    }
    Result<NextChannel> promote(std::uint64_t version, const std::string& channel = "stable") {
        return publish::promote({path(), "kiosk", version, channel});
    }
    format::Channel channel(const std::string& name = "stable") {
        format::Channel channel =
            format::parse_channel(test::read_file(path() / "kiosk" / (name + ".json"))).value();
        issued = std::exchange(channel.issued, 0);
        return channel;
    }

    std::uint64_t issued = 0;  // when the channel was that was looked at last
};

}  // namespace

TEST_CASE("a channel is pointed at a version that is there, with the next serial number") {
    Store store;
    CHECK(store.channel() == format::Channel{"kiosk", 1, "stable", 1});
    REQUIRE(store.promote(2).ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 2});
    // Issued in the future, which it does not go back from.
    format::Channel ahead = store.channel();
    ahead.issued = max_utc;
    test::write_file(store.path() / "kiosk/stable.json", format::serialize_channel(ahead));
    REQUIRE(store.promote(2).ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 3});
    CHECK(store.issued == max_utc);
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
    // A gc may be at work as well: the version is looked at under the lock.
    test::write_file(store.version(3) / "manifest.json", "{");
    CHECK(kind_of(store.promote(3)) == Failure::refused);
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 2});
}

TEST_CASE("a channel names the share of machines and the tags that it is for") {
    Store store;
    Result<NextChannel> next = promote({store.path(), "kiosk", 2, "stable", {25, {"lobby"}}});
    REQUIRE(next.ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 2, 0, 25, "kiosk/2", {"lobby"}});
    REQUIRE(promote({store.path(), "kiosk", 2, "stable", {}}).ok());
    CHECK(store.channel() == format::Channel{"kiosk", 2, "stable", 3});
    for (const Rollout& bad : {Rollout{0, {}}, Rollout{101, {}}, Rollout{50, {"A"}},
                               Rollout{50, std::vector<std::string>(33, "a")}})
        CHECK(promote({store.path(), "kiosk", 2, "stable", bad}).error().kind == Failure::usage);
}

TEST_CASE("a channel that is too large for its readers is not written") {
    Store store;
    const auto hold_back = [&](std::size_t tags, std::size_t length) {
        std::vector<std::string> names;
        for (std::size_t n = 0; n < tags; ++n)
            names.push_back(std::string(length, static_cast<char>('a' + n % 26)));
        return promote({store.path(), "kiosk", 2, "stable", {25, names}});
    };
    const std::string before = test::read_file(store.folder() / "stable.json");
    const Result<NextChannel> too_large = hold_back(32, 63);
    REQUIRE_FALSE(too_large.ok());
    CHECK(too_large.error().kind == Failure::usage);
    CHECK(too_large.error().message.find("hold back fewer tags, or shorter ones") != std::string::npos);
    CHECK(test::read_file(store.folder() / "stable.json") == before);
    REQUIRE(hold_back(32, 16).ok());
    CHECK(store.channel().hold_back.size() == 32);
    // With the longest names any channel fits that holds nobody back.
    format::Channel longest{
        std::string(63, 'i'), format::max_version, std::string(63, 'c'), format::max_version, max_utc, 99,
        std::string(80, 's')};
    CHECK(check_size(longest).ok());
}

}  // namespace regild::publish
