// SPDX-License-Identifier: GPL-2.0-or-later
// Boots of a volume whose record says that it is thawed.
#include "boot_signed_kiosk.hpp"
#include "volume/thaw.hpp"

namespace regild::boot {
namespace {

using format::Thaw;
using format::VolumeState;

struct ThawedKiosk : test::ProvisionedKiosk {
    ThawedKiosk() { configuration.allow_thaw = true; }
    void thaw(Thaw thaw) {
        with_log([&](log::WriteLog& log) { REQUIRE(volume::thaw(log, thaw).ok()); });
    }
    BootReport booted() {
        Result<BootReport> report = boot();
        if (!report) FAIL(report.error().message);
        return *report;
    }
    // Also while a boot holds the log.
    std::optional<Thaw> recorded() {
        std::optional<Thaw> thaw;
        with_log([&](log::WriteLog& log) { thaw = log.record()->thaw; }, block::Access::read);
        return thaw;
    }
    bool said(const std::string& part) { return observer.lines.find(part) != std::string::npos; }
    Blocks marked_at_activation() {
        Blocks count;
        with_log([&](log::WriteLog& log) { count = log.bitmap().marked(); }, block::Access::read);
        return count;
    }
};

}  // namespace

TEST_CASE("a thawed volume is mapped as sessions left it, and its marks stay, without a network") {
    ThawedKiosk kiosk;
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    kiosk.thaw({});
    kiosk.dirty(3);
    const std::string before = test::read_file(kiosk.data());
    for (unsigned boot = 0; boot < 2; ++boot) {
        const BootReport report = kiosk.booted();
        CHECK(report.outcome == BootOutcome::thawed);
        CHECK(report.mapped == "/dev/mapper/kiosk");
        CHECK(report.thaw == Thaw{});
        CHECK(report.version == 1);
    }
    CHECK(kiosk.trace.activated == 2);
    CHECK(kiosk.fetchers == 0);
    CHECK(test::read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(1));
    CHECK(kiosk.said(
        "THAWED: starting WITHOUT restoring; 1 marked blocks stay as sessions left them, writes are "
        "marked on; all of it is kept until 'regild freeze'"));
}

TEST_CASE("the boots of a thaw count down before the volume is mapped, and then all of it is undone") {
    ThawedKiosk kiosk;
    kiosk.thaw({.boots = 2});
    std::vector<std::optional<Thaw>> recorded;
    kiosk.trace.at_activation = [&] { recorded.push_back(kiosk.recorded()); };
    kiosk.dirty(3);
    CHECK(kiosk.booted().thaw == Thaw{.boots = 1});
    CHECK(kiosk.said("all of it is kept for 1 more boot"));
    kiosk.dirty(5);
    const BootReport last = kiosk.booted();
    CHECK(last.outcome == BootOutcome::thawed);
    CHECK_FALSE(last.thaw);
    CHECK(kiosk.said("all of it is kept for the last time: the next boot undoes it"));
    CHECK(recorded == std::vector<std::optional<Thaw>>{Thaw{.boots = 1}, std::nullopt});
    CHECK(kiosk.marked() == Blocks(2));
    kiosk.dirty(7);
    CHECK(kiosk.booted().outcome == BootOutcome::restored);
    CHECK(kiosk.is_golden());
    CHECK(kiosk.marked() == Blocks(0));
}

TEST_CASE("a boot that maps nothing does not count for a thaw") {
    ThawedKiosk kiosk;
    kiosk.thaw({.boots = 1});
    kiosk.options.no_map = true;
    CHECK(kiosk.booted().outcome == BootOutcome::thawed);
    CHECK(kiosk.recorded() == Thaw{.boots = 1});
}

TEST_CASE("a thaw ends by the clock, and does not come back with it") {
    ThawedKiosk kiosk;
    const std::uint64_t end = kiosk.date + 3600;
    kiosk.thaw({.until = end});
    kiosk.dirty(3);
    kiosk.date = end - 1;
    CHECK(kiosk.booted().outcome == BootOutcome::thawed);
    CHECK(kiosk.said("all of it is kept until 2027-01-15T09:00:00Z"));
    kiosk.date = end;
    CHECK(kiosk.booted().outcome == BootOutcome::restored);
    CHECK(kiosk.said("the thaw until 2027-01-15T09:00:00Z is over: what sessions wrote is undone"));
    CHECK(kiosk.is_golden());
    CHECK_FALSE(kiosk.recorded());
    kiosk.dirty(3);
    kiosk.date = end - 40000;
    CHECK(kiosk.booted().outcome == BootOutcome::restored);
}

TEST_CASE("a clock that is behind the last channel is not believed") {
    test::SignedKiosk kiosk;
    kiosk.configuration.allow_thaw = true;
    kiosk.sign();
    kiosk.serve({"kiosk", 1, "stable", 1, kiosk.date + 3600});
    REQUIRE(kiosk.boot().ok());
    kiosk.with_log(
        [&](log::WriteLog& log) { REQUIRE(volume::thaw(log, {.until = kiosk.date + 3600}).ok()); });
    CHECK(kiosk.boot()->outcome != BootOutcome::thawed);
    CHECK_FALSE(kiosk.record().thaw);
}

TEST_CASE("a thaw is over before anything is restored") {
    ThawedKiosk kiosk;
    kiosk.thaw({.until = 1});
    kiosk.dirty(3);
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    kiosk.ranges_to_come = 0;
    REQUIRE_FALSE(kiosk.boot().ok());
    CHECK_FALSE(kiosk.recorded());
}

TEST_CASE("a thaw that the configuration does not allow is ignored, which each boot says") {
    ThawedKiosk kiosk;
    kiosk.configuration.allow_thaw = false;
    kiosk.thaw({.boots = 2});
    for (unsigned boot = 0; boot < 2; ++boot) {
        kiosk.observer.lines.clear();
        kiosk.dirty(3);
        const BootReport report = kiosk.booted();
        CHECK(report.outcome == BootOutcome::restored);
        CHECK_FALSE(report.thaw);
        CHECK(kiosk.said("the thaw in the log is IGNORED: the configuration does not allow it"));
    }
    CHECK(kiosk.is_golden());
    CHECK(kiosk.recorded() == Thaw{.boots = 2});
}

TEST_CASE("a mixture is finished, thawed or not") {
    ThawedKiosk kiosk;
    kiosk.thaw({.boots = 2});
    kiosk.dirty(3);
    kiosk.set_state(VolumeState::restoring);
    const BootReport report = kiosk.booted();
    CHECK(report.outcome == BootOutcome::restored);
    CHECK(report.thaw == Thaw{.boots = 2});
    CHECK(kiosk.said("the thaw in the log is IGNORED this time: the volume is not completely restored"));
    CHECK(kiosk.is_golden());
    kiosk.dirty(3);
    CHECK(kiosk.booted().outcome == BootOutcome::thawed);
}

TEST_CASE("no version is installed while a volume is thawed") {
    ThawedKiosk kiosk;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    kiosk.thaw({});
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.fetchers == 0);
    kiosk.with_log([](log::WriteLog& log) {
        CHECK(volume::freeze(log).value());
        CHECK_FALSE(volume::freeze(log).value());
    });
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.is_golden());
}

}  // namespace regild::boot
