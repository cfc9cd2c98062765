// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/policy.hpp"

#include <catch2/catch.hpp>
#include <vector>

namespace regild::boot {
namespace {

using format::OfflinePolicy;

// The delays in seconds until it gives up, at most twenty.
std::vector<long> delays(Failure kind, OfflinePolicy policy) {
    std::vector<long> all;
    while (all.size() < 20) {
        const auto delay = delay_before_retry(kind, static_cast<unsigned>(all.size() + 1), policy);
        if (!delay) break;
        all.push_back(delay->count());
    }
    return all;
}

}  // namespace

TEST_CASE("a server that cannot be reached is waited for without end") {
    const std::vector<long> expected{2,  4,  8,  16, 30, 30, 30, 30, 30, 30,
                                     30, 30, 30, 30, 30, 30, 30, 30, 30, 30};
    CHECK(delays(Failure::network, OfflinePolicy::wait) == expected);
    CHECK(delay_before_retry(Failure::network, 4000000000, OfflinePolicy::wait) == std::chrono::seconds(30));
}

TEST_CASE("a source that is no good is asked ten times more and then given up") {
    const std::vector<long> expected{2, 4, 8, 16, 30, 30, 30, 30, 30, 30};
    CHECK(delays(Failure::source, OfflinePolicy::wait) == expected);
    CHECK_FALSE(delay_before_retry(Failure::source, 4000000000, OfflinePolicy::wait));
}

TEST_CASE("with the policy halt nothing is waited for") {
    for (const Failure kind : {Failure::failed, Failure::usage, Failure::disk, Failure::source,
                               Failure::network, Failure::refused, Failure::interrupted}) {
        CHECK(delays(kind, OfflinePolicy::halt).empty());
    }
}

TEST_CASE("what waiting does not mend is not waited for") {
    for (const Failure kind :
         {Failure::failed, Failure::usage, Failure::disk, Failure::refused, Failure::interrupted}) {
        CHECK(delays(kind, OfflinePolicy::wait).empty());
    }
}

TEST_CASE("a device may appear later, a wrong one does not become right") {
    CHECK(may_appear(Failure::disk));
    CHECK_FALSE(may_appear(Failure::usage));
    CHECK_FALSE(may_appear(Failure::refused));
    CHECK_FALSE(may_appear(Failure::interrupted));
}

}  // namespace regild::boot
