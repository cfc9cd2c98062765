// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut at every operation of a trial: of the boot that installs a version, of those that count
// its starts, of its confirmation, and of the way back.
#include "boot_power_cut.hpp"
#include "volume/trial.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using test::CutKiosk;
using test::Layout;

// Version 2 has two starts; of the same layout as version 1, or of another one.
struct TrialCuts : CutKiosk {
    TrialCuts() {
        configuration.update = UpdatePolicy::boot;
        configuration.trial_boots = 2;
        publish_other(2, GENERATE(Layout{40, 4096}, Layout{43, 4096}, Layout{17, 8192}));
    }
    bool is_version_one_again() {
        const format::ImageRecord found = record();
        return found.image_version == 1 && found.rejected_version == 2 &&
               found.state == format::VolumeState::golden && marked() == Blocks(0);
    }
    // Whatever else happens, version 2 has had no more starts than it was given, and version 1 is there
    // again.
    void check_trial_ends() {
        for (unsigned boots = 0; boots < 5 && !is_version_one_again(); ++boots) {
            booted();
            if (record().image_version == 2) session();
        }
        REQUIRE(is_version_one_again());
        REQUIRE(holds(1));
        REQUIRE(starts[2] <= 2);
        REQUIRE(record().version_floor == 1);
    }
};

}  // namespace

TEST_CASE_METHOD(TrialCuts,
                 "a power cut at any operation of the boots of a trial leaves one that ends as it should") {
    session();
    for (unsigned number = 1; number <= 3; ++number) {
        cut_everywhere([&] { CHECK(booted().version == (number < 3 ? 2 : 1)); }, [&] { check_trial_ends(); });
        CHECK(starts[2] == std::min(number, 2U));
        if (number < 3) session();
    }
}

TEST_CASE_METHOD(CutKiosk, "a power cut while a boot installs a version leaves the way back in the cache") {
    configuration.update = UpdatePolicy::boot;
    configuration.trial_boots = 2;
    cache = configuration.cache = directory / "cache";
    test::write_file(cache, std::string(std::size_t{1} << 20, '\0'));
    publish_other(2, {test::image_blocks, test::block_bytes});
    session();
    const std::string source = configuration.source;
    cut_everywhere([&] { CHECK(booted().version == 2); },
                   [&] {
                       REQUIRE(booted().version == 2);
                       configuration.update = UpdatePolicy::never;
                       options.no_network = true;
                       configuration.source = test::behind_a_network;
                       for (int boots = 0; boots < 2 && record().image_version == 2; ++boots)
                           booted();
                       REQUIRE(record().image_version == 1);
                       REQUIRE(holds(1));
                       configuration.update = UpdatePolicy::boot;
                       options.no_network = false;
                       configuration.source = source;
                   });
}

TEST_CASE_METHOD(TrialCuts,
                 "a power cut while a version is confirmed leaves it on trial, or confirmed whole") {
    booted();
    const format::ImageRecord before = record();
    bool was_on_trial = false;
    bool was_confirmed = false;
    cut_everywhere([&] { with_log([](log::WriteLog& log) { CHECK(volume::mark_good(log).value()); }); },
                   [&] {
                       const format::ImageRecord found = record();
                       if (volume::is_on_trial(found)) {
                           was_on_trial = true;
                           REQUIRE(found == before);
                           check_trial_ends();
                           return;
                       }
                       was_confirmed = true;
                       REQUIRE(found.version_floor == 2);
                       for (unsigned boots = 0; boots < 3; ++boots) {
                           session();
                           REQUIRE(booted().version == 2);
                       }
                   });
    CHECK(was_on_trial);
    CHECK(was_confirmed);
}

}  // namespace regild::boot
