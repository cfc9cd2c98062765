// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/utc.hpp"

#include <catch2/catch.hpp>
#include <ctime>

namespace regild {

TEST_CASE("a time is read and written in one form") {
    CHECK(utc_text(0) == "1970-01-01T00:00:00Z");
    CHECK(utc_text(1795777200) == "2026-11-27T11:00:00Z");
    CHECK(utc_text(max_utc) == "9999-12-31T23:59:59Z");
    for (const std::uint64_t seconds : {std::uint64_t{0}, std::uint64_t{951782400}, max_utc})
        CHECK(parse_utc(utc_text(seconds)) == seconds);
    for (const char* bad :
         {"", "2026-11-27", "2026-11-27T11:00:00", "2026-11-27T11:00:00Z ", "2026-11-27T11:00:00+00:00",
          "2026-02-30T00:00:00Z", "1969-12-31T23:59:59Z", "2026-11-27T24:00:00Z", "2026-11-27T11:00:60Z",
          "+2026-11-27T11:00:00Z", " 2026-11-27T11:00:00Z", "2026-1-27T11:00:00Z"})
        CHECK_FALSE(parse_utc(bad));
}

TEST_CASE("the clock is believed from the time on when the program was built") {
    CHECK(utc_now() >= 1764000000);
    CHECK(utc_now() + 3600 > static_cast<std::uint64_t>(std::time(nullptr)));
}

}  // namespace regild
