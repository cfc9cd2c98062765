// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut at every operation of a boot that installs a version whose data cannot be had, and takes
// the one before back; of a session that stages one; and of a boot that installs that.
#include "boot_power_cut.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/stage.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using format::VolumeState;
using test::CutKiosk;
using test::Layout;

// Version 2 cannot be had; on its disk is a session, or none.
struct TakenBackCuts : CutKiosk {
    TakenBackCuts() {
        configuration.update = UpdatePolicy::boot;
        configuration.trial_boots = 2;
        publish_other(2, GENERATE(Layout{40, 4096}, Layout{43, 4096}));
        std::filesystem::rename(data_of_two, directory / "hidden");
        is_clean = GENERATE(true, false);
        if (!is_clean) session();
    }
    // Version 1 was not left for a version of which nothing is there.
    void check_taken_back() {
        const BootReport report = booted();
        REQUIRE(report.version == 1);
        REQUIRE(holds(1));
        REQUIRE(starts[2] == 0);
        const format::ImageRecord found = record();
        REQUIRE(found.state == VolumeState::golden);
        REQUIRE_FALSE(found.before);
        REQUIRE(found.rejected_version == 0);
        REQUIRE(found.version_floor == 1);
        REQUIRE(marked() == Blocks(0));
        REQUIRE(booted().outcome == BootOutcome::clean);
    }
    std::filesystem::path data_of_two = directory / "store/kiosk/2/image.zst";
    bool is_clean = false;
};

// Version 2 may be staged.
struct StagingCuts : CutKiosk {
    StagingCuts() {
        configuration.update = UpdatePolicy::staged;
        cache = configuration.cache = directory / "cache";
        test::write_file(cache, std::string(std::size_t{1} << 20, '\0'));
        publish_other(2, {test::image_blocks, test::block_bytes});
    }
    // As `regild update --stage` does.
    void stage() {
        volume::OpenCache opened = volume::open_cache(configuration.cache).value();
        const auto disk = block::Device::open(configuration.data, block::Access::read);
        const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, stop);
        const net::Url url = net::parse_document_url(configuration.source).value();
        with_log([&](log::WriteLog& log) {
            const store::Source installed = store::installed_source(url, log.record()->manifest).value();
            const auto next = volume::newer_version(log, *fetcher, url, {trust, {}}, observer);
            REQUIRE(volume::stage(installed, next->value(), disk->get(),
                                  {*fetcher, opened.cache.get(), observer}, stop)
                        .value()
                        .whole);
            format::ImageRecord record = *log.record();
            record.staged = {(*next)->manifest_text, (*next)->signature};
            REQUIRE(log.write_record(record).ok());
        });
    }
    // As the initramfs does: only what cannot be had from the disk and the cache is asked for.
    void boot_as_initramfs() {
        const std::string source = std::exchange(configuration.source, test::behind_a_network);
        options.no_network = true;
        Result<BootReport> report = boot();
        options.no_network = false;
        if (!report && report.error().kind == Failure::network) report = boot();
        if (!report) FAIL(report.error().message);
        configuration.source = source;
    }
};

// What is staged is in the cache.
struct StagedCuts : StagingCuts {
    StagedCuts() { stage(); }
};

}  // namespace

TEST_CASE_METHOD(TakenBackCuts,
                 "a power cut at any operation of a boot that takes a version back loses nothing") {
    const std::string before = disk();
    cut_everywhere([&] { CHECK(booted().version == 1); },
                   [&] {
                       if (is_clean) REQUIRE((disk() == before));
                       check_taken_back();
                       if (is_clean) REQUIRE((disk() == before));
                   });
}

TEST_CASE_METHOD(TakenBackCuts,
                 "a power cut at any operation of a boot that takes a version back leaves it to be tried") {
    bool was_tried = false;
    cut_everywhere(
        [&] {
            CHECK(booted().version == 1);
            std::filesystem::rename(directory / "hidden", data_of_two);
        },
        [&] {
            was_tried = was_tried || record().image_version == 2;
            REQUIRE(booted().version == 2);
            REQUIRE(holds(2));
            REQUIRE(marked() == Blocks(0));
        });
    CHECK(was_tried);
}

TEST_CASE_METHOD(StagingCuts, "a power cut while a version is staged costs no more than what was staged") {
    const bool is_clean = GENERATE(true, false);
    const bool stays_served = GENERATE(true, false);
    const std::filesystem::path data_of_two = directory / "store/kiosk/2/image.zst";
    const std::filesystem::path hidden = directory / "hidden";
    if (!is_clean) session();
    configuration.trial_boots = 2;
    const std::string before = disk();
    std::map<std::uint64_t, unsigned> became;
    cut_everywhere(
        [&] {
            stage();
            if (!stays_served) std::filesystem::rename(data_of_two, hidden);
        },
        [&] {
            const bool is_staged = bool(record().staged);
            REQUIRE(record().image_version == 1);
            REQUIRE((disk() == before));
            boot_as_initramfs();
            const std::uint64_t version = record().image_version;
            ++became[version];
            REQUIRE((version == 1 || is_staged));
            if (is_staged && is_clean) REQUIRE(version == 2);
            REQUIRE(holds(version));
            REQUIRE(record().state == VolumeState::golden);
            REQUIRE(record().rejected_version == 0);
            REQUIRE(marked() == Blocks(0));
            if (version == 2 || !stays_served) return;
            stage();
            boot_as_initramfs();
            REQUIRE(record().image_version == 2);
            REQUIRE(holds(2));
        });
    CHECK(became[1] > 0);
    // What a session wrote over is not all in the cache.
    CHECK((became[2] > 0) == (is_clean || stays_served));
}

TEST_CASE_METHOD(StagedCuts,
                 "a power cut while a boot installs what is staged leaves it staged or installed") {
    options.no_network = true;
    configuration.trial_boots = GENERATE(0, 2);
    bool was_staged = false;
    bool was_installed = false;
    cut_everywhere([&] { CHECK(booted().version == 2); },
                   [&] {
                       const format::ImageRecord found = record();
                       (found.staged ? was_staged : was_installed) = true;
                       REQUIRE((found.image_version == 1) == bool(found.staged));
                       REQUIRE(booted().version == 2);
                       REQUIRE(holds(2));
                       REQUIRE_FALSE(record().staged);
                       REQUIRE(marked() == Blocks(0));
                       REQUIRE(record().version_floor == (configuration.trial_boots == 0 ? 2 : 1));
                   });
    CHECK(was_staged);
    CHECK(was_installed);
}

}  // namespace regild::boot
