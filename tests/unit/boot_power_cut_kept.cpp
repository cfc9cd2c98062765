// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut at every operation of boots that start what sessions wrote, and of what the owner says of
// that meanwhile: a thaw is counted down before each start, and so is what policy allows without a network.
#include "boot_power_cut.hpp"
#include "volume/thaw.hpp"

namespace regild::boot {
namespace {

using format::Thaw;
using test::CutKiosk;

// A volume on which a session wrote.
struct KeptCuts : CutKiosk {
    KeptCuts() {
        configuration.allow_thaw = true;
        session();
        kept = disk();
    }
    void thaw(Thaw thaw) {
        with_log([&](log::WriteLog& log) { REQUIRE(volume::thaw(log, thaw).ok()); });
    }
    // Boots until nothing is kept any more, which has to be soon.
    void check_ends_golden() {
        const auto is_golden = [&] { return holds(1) && marked() == Blocks(0); };
        for (unsigned boots = 0; boots < 4 && !is_golden(); ++boots) {
            booted();
            REQUIRE((is_golden() || disk() == *kept));
        }
        REQUIRE(is_golden());
        REQUIRE_FALSE(record().thaw);
    }
};

}  // namespace

TEST_CASE_METHOD(KeptCuts,
                 "a power cut at any operation of the boots of a thaw counts each start before it") {
    thaw({.boots = 2});
    for (unsigned number = 1; number <= 3; ++number) {
        const std::uint32_t left_before = number > 2 ? 0 : 3 - number;
        cut_everywhere([&] { booted(); },
                       [&] {
                           const std::optional<Thaw> left = record().thaw;
                           REQUIRE((left ? left->boots : 0) <= left_before);
                           check_ends_golden();
                           REQUIRE(kept_starts <= 2);
                       });
        CHECK(kept_starts == std::min(number, 2U));
    }
}

TEST_CASE_METHOD(KeptCuts, "a power cut while a volume is thawed or frozen leaves it one or the other") {
    const bool freezes = GENERATE(false, true);
    if (freezes) thaw({});
    bool was_thawed = false;
    bool was_frozen = false;
    const auto change = [&](log::WriteLog& log) {
        REQUIRE((freezes ? volume::freeze(log).ok() : volume::thaw(log, {}).ok()));
    };
    cut_everywhere([&] { with_log(change); },
                   [&] {
                       const bool is_thawed = record().thaw.has_value();
                       (is_thawed ? was_thawed : was_frozen) = true;
                       REQUIRE(booted().outcome == (is_thawed ? BootOutcome::thawed : BootOutcome::restored));
                       REQUIRE((is_thawed ? disk() == *kept : holds(1)));
                   });
    CHECK(was_thawed);
    CHECK(was_frozen);
}

TEST_CASE_METHOD(KeptCuts,
                 "a power cut at any operation of the boot after a thaw leaves all that was kept or golden") {
    thaw({.until = date});
    bool was_kept = false;
    cut_everywhere([&] { CHECK(booted().outcome == BootOutcome::restored); },
                   [&] {
                       // The clock went back as well.
                       date -= 1000;
                       const bool is_thawed = record().thaw.has_value();
                       was_kept = was_kept || is_thawed;
                       booted();
                       REQUIRE((is_thawed ? disk() == *kept : holds(1)));
                       date += 1000;
                   });
    CHECK(was_kept);
}

TEST_CASE_METHOD(KeptCuts,
                 "a power cut at any operation of boots without a restore counts each start before it") {
    configuration.offline.policy = format::OfflinePolicy::boot;
    configuration.offline.most_boots = 2;
    configuration.offline.patience = std::chrono::seconds(0);
    const auto boot_offline = [&] {
        failures = 1000;
        const Result<BootReport> report = boot();
        failures = 0;
        return report.ok();
    };
    for (unsigned number = 1; number <= 2; ++number) {
        cut_everywhere([&] { CHECK(boot_offline()); },
                       [&] {
                           for (unsigned boots = 0; boots < 3; ++boots)
                               boot_offline();
                           REQUIRE(kept_starts <= 2);
                           REQUIRE((disk() == *kept));
                           check_ends_golden();
                           REQUIRE(unrestored_boots() == 0);
                       });
        CHECK(kept_starts == number);
    }
    CHECK_FALSE(boot_offline());
}

}  // namespace regild::boot
