// SPDX-License-Identifier: GPL-2.0-or-later
// What progress looks like, by a clock of the test's own.
#include "cli/progress.hpp"

#include <catch2/catch.hpp>
#include <sstream>

namespace regild::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct TestClock {
    Meter::Time now{};
    Clock clock() {
        return [this] { return now; };
    }
};

}  // namespace

TEST_CASE("a meter tells how much, how fast and how long still") {
    Meter meter;
    const Meter::Time start{};
    CHECK(meter.update("restoring", Bytes(0), MiB(100), start));
    CHECK(meter.text() == "restoring: 0 B of 100 MiB (0 %)");
    CHECK_FALSE(meter.update("restoring", MiB(50), MiB(100), start + seconds(10)));
    CHECK(meter.text() == "restoring: 50 MiB of 100 MiB (50 %), 5 MiB/s, 0:10 left");
    CHECK_FALSE(meter.update("restoring", MiB(100), MiB(100), start + seconds(20)));
    CHECK(meter.text() == "restoring: 100 MiB of 100 MiB (100 %), 5 MiB/s");
}

TEST_CASE("a meter does not count what was done before it started") {
    Meter meter;
    const Meter::Time start{};
    meter.update("restoring", MiB(80), MiB(100), start);
    meter.update("restoring", MiB(90), MiB(100), start + seconds(10));
    CHECK(meter.text() == "restoring: 90 MiB of 100 MiB (90 %), 1 MiB/s, 0:10 left");
}

TEST_CASE("other work starts the meter anew") {
    Meter meter;
    const Meter::Time start{};
    meter.update("restoring", MiB(90), MiB(100), start);
    CHECK(meter.update("verifying", MiB(91), MiB(100), start));
    CHECK(meter.update("verifying", MiB(1), MiB(100), start));
}

TEST_CASE("hours are told when it takes hours, and no time while nothing moves") {
    Meter meter;
    const Meter::Time start{};
    meter.update("restoring", Bytes(0), MiB(10000), start);
    meter.update("restoring", MiB(10), MiB(10000), start + seconds(10));
    CHECK(meter.text() == "restoring: 10 MiB of 9.8 GiB (0 %), 1 MiB/s, 2:46:30 left");
    meter.update("waiting", Bytes(0), MiB(1), start);
    meter.update("waiting", Bytes(0), MiB(1), start + seconds(10));
    CHECK(meter.text() == "waiting: 0 B of 1 MiB (0 %)");
    meter.update("nothing", Bytes(0), Bytes(0), start);
    CHECK(meter.percent() == 100);
}

TEST_CASE("a log gets one line of progress every five seconds and none for short work") {
    TestClock time;
    std::ostringstream out;
    PlainProgress progress(out, time.clock());
    for (unsigned i = 0; i <= 120; i++) {
        progress.progress("restoring", MiB(i), MiB(120));
        time.now += milliseconds(100);
    }
    CHECK(out.str() ==
          "regild: restoring: 50 MiB of 120 MiB (41 %), 10 MiB/s, 0:07 left\n"
          "regild: restoring: 100 MiB of 120 MiB (83 %), 10 MiB/s, 0:02 left\n");
}

TEST_CASE("a terminal gets one line, redrawn at most ten times a second and cleared at the end") {
    TestClock time;
    std::ostringstream out;
    BarProgress progress(
        out, [] { return 60u; }, time.clock());
    progress.progress("restoring", Bytes(0), MiB(4));
    progress.progress("restoring", MiB(1), MiB(4));  // too soon
    time.now += milliseconds(100);
    progress.progress("restoring", MiB(2), MiB(4));
    progress.event("something happened");
    progress.progress("restoring", MiB(4), MiB(4));
    CHECK(out.str() ==
          "\r\033[Krestoring: 0 B of 4 MiB (0 %) [...........................]"
          "\r\033[Krestoring: 2 MiB of 4 MiB (50 %) [############............]"
          "\r\033[Kregild: something happened\n");
}

TEST_CASE("a line never wraps on a narrow terminal") {
    TestClock time;
    std::ostringstream out;
    BarProgress progress(
        out, [] { return 20u; }, time.clock());
    progress.progress("restoring", Bytes(0), MiB(4));
    CHECK(out.str() == "\r\033[Krestoring: 0 B of 4");
}

TEST_CASE("messages give no orders to the terminal or the kernel's log") {
    std::ostringstream out;
    PlainProgress(out).event(
        "a\nb\x1b[2Jc\x7f"
        "d\xc3\xa9");
    CHECK(out.str() == "regild: a?b?[2Jc?d\xc3\xa9\n");
}

}  // namespace regild::cli
