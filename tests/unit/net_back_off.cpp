// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/back_off.hpp"

#include <catch2/catch.hpp>
#include <set>

namespace regild::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = BackOff::Clock;

// How long the next request waits after one that failed at `now`.
milliseconds wait_after(BackOff& back_off, Clock::time_point now, seconds retry_after = seconds(0)) {
    back_off.failed(now, retry_after);
    return std::chrono::duration_cast<milliseconds>(back_off.not_before() - now);
}

}  // namespace

TEST_CASE("each failure doubles the wait, up to a limit, and a success ends that") {
    BackOff back_off(seconds(60));
    Clock::time_point now{seconds(1000)};
    for (const int full : {100, 200, 400, 800, 1600, 3200, 6400, 6400, 6400}) {
        const milliseconds wait = wait_after(back_off, now);
        CHECK(wait >= milliseconds(full / 2));
        CHECK(wait <= milliseconds(full));
        now += wait;
    }
    back_off.succeeded();
    CHECK(wait_after(back_off, now) <= milliseconds(100));
}

TEST_CASE("kiosks that are turned away together come back apart") {
    std::set<milliseconds> waits;
    for (int kiosk = 0; kiosk < 1000; ++kiosk) {
        BackOff back_off(seconds(60));
        waits.insert(wait_after(back_off, Clock::time_point(seconds(1000))));
    }
    CHECK(waits.size() > 25);  // of 51
}

TEST_CASE("requests that fail together are one failure") {
    BackOff back_off(seconds(60));
    const Clock::time_point now{seconds(1000)};
    const milliseconds wait = wait_after(back_off, now);
    for (int request = 0; request < 15; ++request)
        CHECK(wait_after(back_off, now) == wait);
    CHECK(wait_after(back_off, now + wait) <= milliseconds(200));
}

TEST_CASE("a server is asked again no earlier than it asks for, and no later than a limit allows") {
    const Clock::time_point now{seconds(1000)};
    BackOff patient(seconds(60));
    CHECK(wait_after(patient, now, seconds(7)) == seconds(7));
    CHECK(wait_after(patient, now, seconds(3)) == seconds(7));
    BackOff limited(seconds(5));
    CHECK(wait_after(limited, now, seconds(7)) == seconds(5));
    BackOff hostile(milliseconds(1500));
    CHECK(wait_after(hostile, now, seconds::max()) == milliseconds(1500));
}

}  // namespace regild::net
