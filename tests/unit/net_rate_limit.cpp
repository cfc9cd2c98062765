// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/rate_limit.hpp"

#include <catch2/catch.hpp>

#include "net/patience.hpp"

namespace regild::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const RateLimit::Clock::time_point start{seconds(1000)};

TEST_CASE("without a limit all may come at once") {
    RateLimit limit(Bytes(0));
    limit.received(start, MiB(1000));
    REQUIRE(limit.allows(start));
    REQUIRE(limit.connections(16) == 16);
}

TEST_CASE("what comes in a while is what the limit allows, in pieces of whatever size") {
    const auto piece = GENERATE(Bytes(1460), KiB(16), KiB(200));
    const Bytes rate = GENERATE(KiB(16), KiB(500), MiB(100));
    CAPTURE(piece.count(), rate.count());
    RateLimit limit(rate);
    Bytes sum;
    RateLimit::Clock::time_point now = start;
    while (sum < rate + rate + piece) {
        if (!limit.allows(now)) now = limit.next();
        REQUIRE(limit.allows(now));
        limit.received(now, piece);
        sum += piece;
    }
    const auto took = now - start;
    // As long as all but the last piece needs, but for the credit of a beginning.
    REQUIRE(took <= milliseconds(2000 + 1000 * piece.count() / rate.count()));
    REQUIRE(took >= milliseconds(1899));
}

TEST_CASE("what was not used while nothing came is not made up for") {
    RateLimit limit(KiB(100));
    limit.received(start, KiB(100));
    const auto later = start + seconds(60);
    limit.received(later, KiB(100));
    REQUIRE_FALSE(limit.allows(later + milliseconds(899)));
    REQUIRE(limit.allows(later + milliseconds(900)));
}

TEST_CASE("a low limit uses few connections") {
    REQUIRE(RateLimit(KiB(16)).connections(16) == 1);
    REQUIRE(RateLimit(KiB(256)).connections(16) == 4);
    REQUIRE(RateLimit(MiB(100)).connections(16) == 16);
}

TEST_CASE("a limit of our own makes no server too slow") {
    // A connection that broke late: what it had brought comes again first, and nothing of it is fresh.
    RateLimit limit(KiB(16));
    Patience patience(seconds(20), start);
    UnheldTime unheld(start);
    RateLimit::Clock::time_point now = start;
    for (int piece = 0; piece < 100; ++piece) {
        limit.received(now, KiB(16));
        REQUIRE_FALSE(patience.is_over(unheld.at(now, true)));
        REQUIRE_FALSE(patience.wears_thin(unheld.at(now, true)));
        now = limit.next();
    }
    // And nobody waits for ever for one that brings nothing.
    REQUIRE_FALSE(patience.is_over(unheld.at(now, false)));
    REQUIRE(patience.is_over(unheld.at(now + seconds(20), false)));
}

}  // namespace
}  // namespace regild::net
