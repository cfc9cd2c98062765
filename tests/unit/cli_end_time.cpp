// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/end_time.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <optional>

namespace regild::cli {
namespace {

constexpr std::uint64_t now = 1800000000;  // 2027-01-15T08:00:00Z

std::optional<std::uint64_t> parsed(const std::string& text) {
    const Result<std::uint64_t> time = parse_end_time(text, now);
    if (!time) CHECK(time.error().kind == Failure::usage);
    return time ? std::optional(*time) : std::nullopt;
}

// A zone of the process, for one test.
struct Zone {
    explicit Zone(const char* name) {
        setenv("TZ", name, 1);
        tzset();
    }
    ~Zone() {
        unsetenv("TZ");
        tzset();
    }
};

}  // namespace

TEST_CASE("a point in time is read with its zone, as local time, or from now on") {
    const Zone zone("UTC-2");  // two hours east
    CHECK(parsed("2027-01-15T08:00:00Z") == now);
    CHECK(parsed("2027-01-15T09:30:00+01:30") == now);
    CHECK(parsed("2027-01-15T03:00:00-05:00") == now);
    CHECK(parsed("2027-01-15 10:00") == now);
    CHECK(parsed("2027-01-15 10:00:07") == now + 7);
    CHECK(parsed("+12h") == now + std::uint64_t{12} * 3600);
    CHECK(parsed("+7d") == now + std::uint64_t{7} * 86400);
    CHECK(parsed("+0h") == now);
    CHECK(parsed("9999-12-31T23:59:59Z") == 253402300799);
}

TEST_CASE("what is no point in time is refused") {
    for (const char* text : {"",
                             "tomorrow",
                             "+",
                             "+h",
                             "+7",
                             "+7m",
                             "+-7d",
                             "+ 7d",
                             "+7dd",
                             "+1000001d",
                             "+99999999999999999999h",
                             "2027-01-15",
                             "2027-01-15T08:00",
                             "2027-01-15T08:00:00",
                             "2027-01-15T08:00:00z",
                             "2027-1-15 10:00",
                             "2027-02-30 10:00",
                             "2027-01-15 24:00",
                             "2027-01-15 10:60",
                             "2027-13-01 10:00",
                             "2027-00-01 10:00",
                             "2027-01-15 10:00 ",
                             "2027-01-15 10:00:",
                             "2027-01-15 10:00Z",
                             "2027-01-15T08:00:00+1:00",
                             "2027-01-15T08:00:00+24:00",
                             "2027-01-15T08:00:00+01",
                             "+0x7d",
                             "-027-01-15 10:00",
                             "1969-12-31T23:59:59Z",
                             "9999-12-31T23:59:59-00:01"}) {
        CAPTURE(text);
        CHECK_FALSE(parsed(text));
    }
}

}  // namespace regild::cli
