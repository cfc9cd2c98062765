// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/rollout.hpp"

#include <catch2/catch.hpp>

namespace regild::store {
namespace {

format::Channel channel_for(unsigned percent) {
    format::Channel channel{"kiosk", 7, "stable", 1};
    channel.percent = percent;
    channel.salt = "kiosk/7";
    return channel;
}

}  // namespace

TEST_CASE("a share takes in about that many machines, and a larger one all of a smaller one") {
    unsigned in_a_quarter = 0;
    unsigned in_half = 0;
    for (unsigned n = 0; n < 2000; ++n) {
        const Machine machine{"S3R1AL" + std::to_string(n), {}};
        const bool quarter = is_meant_for(channel_for(25), machine);
        const bool half = is_meant_for(channel_for(50), machine);
        in_a_quarter += quarter;
        in_half += half;
        if (quarter) CHECK(half);
        CHECK(is_meant_for(channel_for(100), machine));
    }
    CHECK((in_a_quarter > 400 && in_a_quarter < 600));
    CHECK((in_half > 900 && in_half < 1100));
}

// printf 'kiosk/7\0S3R1AL' | sha256sum begins with 129989fb86f52c36, which is 6 modulo 100.
TEST_CASE("a machine is in a share as the format says") {
    const Machine machine{"S3R1AL", {}};
    CHECK_FALSE(is_meant_for(channel_for(6), machine));
    CHECK(reason_against(channel_for(6), machine) ==
          "version 7 is for 6 % of the machines, and this is none of them yet");
    CHECK(is_meant_for(channel_for(7), machine));
}

TEST_CASE("a machine with a tag that is held back is not meant") {
    format::Channel channel = channel_for(100);
    channel.hold_back = {"hall", "lobby"};
    CHECK(is_meant_for(channel, {"a", {"upstairs"}}));
    CHECK_FALSE(is_meant_for(channel, {"a", {"upstairs", "lobby"}}));
    CHECK(reason_against(channel, {"a", {"upstairs", "lobby"}}) ==
          "version 7 is held back from machines with the tag lobby");
}

TEST_CASE("a machine is known by its disk's serial number, or else by its partition") {
    DiskIdentity disk{"partuuid", "wwid", Sectors(1), Sectors(2)};
    CHECK(machine_with(disk, {}).id == "wwid");
    disk.wwid = "";
    CHECK(machine_with(disk, {"a"}).id == "partuuid");
}

}  // namespace regild::store
