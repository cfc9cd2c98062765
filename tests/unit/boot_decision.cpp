// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/decision.hpp"

#include <catch2/catch.hpp>

namespace regild::boot {
namespace {

using format::VolumeState;
using volume::VolumeFacts;

VolumeFacts facts(std::optional<VolumeState> state, std::uint64_t marked) {
    return {state, Blocks(marked)};
}

constexpr auto golden = VolumeState::golden;
constexpr auto restoring = VolumeState::restoring;
constexpr auto provisioning = VolumeState::provisioning;

}  // namespace

TEST_CASE("what is to be done follows from the log alone") {
    struct Row {
        VolumeFacts facts;
        Work work;
        bool needs_network;
    };
    const Row rows[] = {
        {facts(std::nullopt, 0), Work::provision, true},
        {facts(provisioning, 9), Work::finish_provisioning, true},
        {facts(provisioning, 0), Work::finish_provisioning, false},  // cut off before the last record
        {facts(restoring, 9), Work::restore, true},
        {facts(restoring, 0), Work::restore, false},  // likewise
        {facts(golden, 9), Work::restore, true},
        {facts(golden, 0), Work::none, false},
    };
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.work), row.needs_network);
        CHECK(work_for(row.facts) == row.work);
        for (const bool allowed : {false, true}) {
            const Decision expected{row.work, OffArgument::not_given, row.needs_network};
            CHECK(decide(row.facts, {false, allowed}, format::LogTrust::marks) == expected);
        }
    }
}

TEST_CASE("regild=off needs the configuration's leave and a complete volume") {
    struct Row {
        VolumeFacts facts;
        bool allowed;
        Decision decision;
    };
    const Row rows[] = {
        {facts(golden, 9), true, {Work::none, OffArgument::obeyed, false}},
        {facts(golden, 0), true, {Work::none, OffArgument::obeyed, false}},
        {facts(golden, 9), false, {Work::restore, OffArgument::not_allowed, true}},
        {facts(golden, 0), false, {Work::none, OffArgument::not_allowed, false}},
        {facts(restoring, 9), true, {Work::restore, OffArgument::not_complete, true}},
        {facts(restoring, 0), true, {Work::restore, OffArgument::not_complete, false}},
        {facts(provisioning, 9), true, {Work::finish_provisioning, OffArgument::not_complete, true}},
        {facts(std::nullopt, 0), true, {Work::provision, OffArgument::not_complete, true}},
        {facts(std::nullopt, 0), false, {Work::provision, OffArgument::not_allowed, true}},
    };
    for (const Row& row : rows) {
        CAPTURE(row.allowed, static_cast<int>(row.decision.off));
        CHECK(decide(row.facts, {true, row.allowed}, format::LogTrust::marks) == row.decision);
    }
}

TEST_CASE("where the marks are not believed all is hashed, but for a provisioning and with regild=off") {
    const auto decided = [](const VolumeFacts& facts, OffRules off) {
        return decide(facts, off, format::LogTrust::hash);
    };
    const Decision hash{Work::restore, OffArgument::not_given, true, true};
    CHECK(decided(facts(golden, 0), {}) == hash);
    CHECK(decided(facts(golden, 9), {}) == hash);
    CHECK(decided(facts(restoring, 9), {}) == hash);
    CHECK_FALSE(decided(facts(provisioning, 9), {}).hashes_all);
    CHECK_FALSE(decided(facts(std::nullopt, 0), {}).hashes_all);
    CHECK(decided(facts(golden, 9), {true, true}) == Decision{Work::none, OffArgument::obeyed});
}

TEST_CASE("a thaw needs the configuration's leave, a complete volume and time that is left") {
    constexpr std::uint64_t now = 1000;
    struct Row {
        std::optional<VolumeState> state;
        std::optional<format::Thaw> thaw;
        bool allowed;
        Thawing expected;
    };
    const format::Thaw endless;
    const Row rows[] = {
        {golden, std::nullopt, true, Thawing::none},
        {golden, std::nullopt, false, Thawing::none},
        {golden, endless, true, Thawing::kept},
        {golden, endless, false, Thawing::not_allowed},
        {golden, format::Thaw{.boots = 1}, true, Thawing::kept},
        {golden, format::Thaw{.until = now + 1}, true, Thawing::kept},
        {golden, format::Thaw{.until = now}, true, Thawing::over},
        {golden, format::Thaw{.until = now - 1}, true, Thawing::over},
        {golden, format::Thaw{.until = now - 1}, false, Thawing::not_allowed},
        {restoring, endless, true, Thawing::not_complete},
        {provisioning, endless, true, Thawing::not_complete},
        {restoring, format::Thaw{.until = now}, true, Thawing::over},
        {restoring, endless, false, Thawing::not_allowed},
    };
    for (const Row& row : rows) {
        CAPTURE(row.allowed, static_cast<int>(row.expected));
        const VolumeFacts thawed{row.state, Blocks(9), false, row.thaw};
        CHECK(decide_thaw(thawed, row.allowed, now) == row.expected);
    }
}

TEST_CASE("what a thaw keeps is neither restored nor updated, whatever else is to be done") {
    for (const bool trial_over : {false, true}) {
        const VolumeFacts thawed{golden, Blocks(9), trial_over, format::Thaw{}};
        const format::LogTrust trust = trial_over ? format::LogTrust::hash : format::LogTrust::marks;
        for (const bool off_given : {false, true}) {
            const Decision decision = decide(thawed, {off_given, true}, trust, Thawing::kept);
            CHECK(decision == Decision{Work::none, OffArgument::not_given, false, false, Thawing::kept});
            for (const auto policy : {format::UpdatePolicy::never, format::UpdatePolicy::dirty,
                                      format::UpdatePolicy::boot, format::UpdatePolicy::staged})
                CHECK(update_from(decision, policy) == UpdateFrom::nowhere);
        }
        for (const Thawing thaw : {Thawing::over, Thawing::not_allowed}) {
            const Decision decision = decide(thawed, {}, trust, thaw);
            CHECK(decision.work == Work::restore);
            CHECK(update_from(decision, format::UpdatePolicy::boot) == UpdateFrom::the_source);
        }
    }
}

TEST_CASE("what could not be restored starts only by policy, only when complete, and only so often") {
    using format::OfflinePolicy;
    struct Row {
        OfflinePolicy policy;
        VolumeFacts facts;
        std::uint32_t before;
        Unrestored expected;
    };
    constexpr auto by_boot = OfflinePolicy::boot;
    const Row rows[] = {
        {OfflinePolicy::wait, facts(golden, 9), 0, Unrestored::not_allowed},
        {OfflinePolicy::halt, facts(golden, 9), 0, Unrestored::not_allowed},
        {OfflinePolicy::halt, facts(restoring, 9), 0, Unrestored::not_allowed},
        {by_boot, facts(golden, 9), 0, Unrestored::start},
        {by_boot, facts(golden, 0), 0, Unrestored::start},
        {by_boot, facts(golden, 9), 2, Unrestored::start},
        {by_boot, facts(golden, 9), 3, Unrestored::too_often},
        {by_boot, facts(golden, 9), UINT32_MAX, Unrestored::too_often},
        {by_boot, facts(restoring, 9), 0, Unrestored::not_complete},
        {by_boot, facts(restoring, 0), 0, Unrestored::not_complete},
        {by_boot, facts(provisioning, 9), 0, Unrestored::not_complete},
        {by_boot, facts(provisioning, 0), 3, Unrestored::not_complete},
        {by_boot, facts(std::nullopt, 0), 0, Unrestored::not_complete},
    };
    for (const Row& row : rows) {
        CAPTURE(static_cast<int>(row.policy), row.before, static_cast<int>(row.expected));
        const format::OfflineRules rules{
            .policy = row.policy, .patience = {}, .most_boots = 3, .message = {}, .reboot = {}};
        CHECK(decide_unrestored(row.facts, row.before, rules) == row.expected);
    }
}

}  // namespace regild::boot
