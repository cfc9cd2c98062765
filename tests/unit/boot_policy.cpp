// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/policy.hpp"

#include <catch2/catch.hpp>
#include <vector>

namespace regild::boot {
namespace {

using format::OfflinePolicy;
using format::OfflineRules;
using std::chrono::seconds;

// The delays in seconds until it gives up, at most twenty, when each attempt takes no time.
std::vector<long> delays(Failure kind, const OfflineRules& rules) {
    std::vector<long> all;
    Failures failures{.kind = kind, .count = 1};
    for (; all.size() < 20; failures.count++) {
        const auto delay = delay_before_retry(failures, rules);
        if (!delay) break;
        all.push_back(delay->count());
        failures.since_first += *delay;
    }
    return all;
}

constexpr Failure others[] = {Failure::failed, Failure::usage,  Failure::disk,       Failure::refused,
                              Failure::busy,   Failure::reboot, Failure::interrupted};

}  // namespace

TEST_CASE("a server that cannot be reached is waited for without end") {
    const std::vector<long> expected{2,  4,  8,  16, 30, 30, 30, 30, 30, 30,
                                     30, 30, 30, 30, 30, 30, 30, 30, 30, 30};
    CHECK(delays(Failure::network, {}) == expected);
    CHECK(delay_before_retry({Failure::network, 4000000000, seconds(4000000000)}, {}) == seconds(30));
}

TEST_CASE("a source that is no good is asked ten times more and then given up") {
    const std::vector<long> expected{2, 4, 8, 16, 30, 30, 30, 30, 30, 30};
    CHECK(delays(Failure::source, {}) == expected);
    CHECK_FALSE(delay_before_retry({Failure::source, 4000000000, seconds(0)}, {}));
}

TEST_CASE("an owner's patience ends when he says, with a last attempt there") {
    for (const OfflinePolicy policy : {OfflinePolicy::wait, OfflinePolicy::boot}) {
        const OfflineRules rules{.policy = policy, .patience = seconds(40), .message = {}, .reboot = {}};
        const std::vector<long> expected{2, 4, 8, 16, 10};
        CHECK(delays(Failure::network, rules) == expected);
        CHECK(delays(Failure::source, rules) == expected);
        CHECK_FALSE(delay_before_retry({Failure::network, 2, seconds(41)}, rules));
        const OfflineRules none{.policy = policy, .patience = seconds(0), .message = {}, .reboot = {}};
        CHECK(delays(Failure::network, none).empty());
    }
}

TEST_CASE("with the policy halt nothing is waited for") {
    const OfflineRules halt{.policy = OfflinePolicy::halt, .patience = {}, .message = {}, .reboot = {}};
    CHECK(delays(Failure::network, halt).empty());
    CHECK(delays(Failure::source, halt).empty());
    for (const Failure kind : others)
        CHECK(delays(kind, halt).empty());
}

TEST_CASE("what waiting does not mend is not waited for, and no policy is asked") {
    for (const Failure kind : others) {
        CHECK(delays(kind, {}).empty());
        CHECK_FALSE(is_offline(kind));
    }
    CHECK(is_offline(Failure::network));
    CHECK(is_offline(Failure::source));
}

TEST_CASE("a device may appear later, a wrong one does not become right") {
    CHECK(may_appear(Failure::disk));
    CHECK_FALSE(may_appear(Failure::usage));
    CHECK_FALSE(may_appear(Failure::refused));
    CHECK_FALSE(may_appear(Failure::interrupted));
}

}  // namespace regild::boot
