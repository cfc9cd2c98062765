// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/patience.hpp"

#include <catch2/catch.hpp>

namespace regild::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Patience::Clock::time_point start{seconds(1000)};

TEST_CASE("patience with a server that sends nothing lasts for its window") {
    Patience patience(seconds(20), start);
    REQUIRE_FALSE(patience.is_over(start + milliseconds(19999)));
    REQUIRE(patience.is_over(start + seconds(20)));
}

TEST_CASE("patience lasts as long as the window brings the minimum rate") {
    struct Case {
        std::size_t bytes;  // in each second
        bool over;
    };
    const auto [bytes, over] =
        GENERATE(Case{0, true}, Case{2, true}, Case{1023, true}, Case{1024, false}, Case{1000000, false});
    CAPTURE(bytes);
    Patience patience(seconds(20), start);
    bool is_over = false;
    for (int second = 1; second <= 200; ++second) {
        patience.received(start + seconds(second), Bytes(bytes));
        is_over = is_over || patience.is_over(start + seconds(second));
    }
    REQUIRE(is_over == over);
}

TEST_CASE("what came before the window does not count") {
    Patience patience(seconds(20), start);
    patience.received(start + seconds(1), MiB(100));
    REQUIRE_FALSE(patience.is_over(start + seconds(20)));
    REQUIRE(patience.is_over(start + seconds(21)));
    REQUIRE(patience.received_lately(start + seconds(21), seconds(20)) == Bytes(0));
}

TEST_CASE("patience wears thin once, at half of its window, and again after it went well") {
    Patience patience(seconds(20), start);
    REQUIRE_FALSE(patience.wears_thin(start + milliseconds(9999)));
    REQUIRE(patience.wears_thin(start + seconds(10)));
    REQUIRE_FALSE(patience.wears_thin(start + seconds(11)));
    patience.received(start + seconds(12), MiB(1));
    REQUIRE_FALSE(patience.wears_thin(start + seconds(13)));
    REQUIRE(patience.wears_thin(start + seconds(22)));
}

}  // namespace
}  // namespace regild::net
