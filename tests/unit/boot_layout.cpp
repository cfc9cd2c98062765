// SPDX-License-Identifier: GPL-2.0-or-later
// Boots that install a version of another size or block size, for which the log is laid out anew.
#include "boot_kiosk.hpp"
#include "volume/layout.hpp"
#include "volume/trial.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using format::VolumeState;
using test::block_bytes;
using test::ProvisionedKiosk;

// Version 2 has so many blocks of such a size.
struct OtherLayoutKiosk : ProvisionedKiosk {
    explicit OtherLayoutKiosk(std::size_t blocks = 43, std::uint64_t block_size = block_bytes) {
        one = test::read_file(directory / "golden.img");
        test::write_file(directory / "golden.img", test::golden_image(blocks));
        const publish::PublishRequest request{.image_file = directory / "golden.img",
                                              .store = directory / "store",
                                              .image = "kiosk",
                                              .version = 2,
                                              .block_size = *BlockSize::from_bytes(block_size),
                                              .channel = "stable"};
        REQUIRE(publish::publish(request, observer, stop).ok());
        configuration.update = UpdatePolicy::boot;
        configuration.trial_boots = 1;
    }
    BootReport booted() {
        Result<BootReport> report = boot();
        if (!report) FAIL(report.error().message);
        return *report;
    }
    bool is_version_one() { return test::read_file(data()).substr(0, one.size()) == one; }
    // The table that the volume was mapped by: its block size in sectors.
    bool is_mapped_in_blocks_of(std::uint64_t bytes) const {
        return trace.activated == 1 &&
               trace.table.find(" " + std::to_string(bytes / 512)) != std::string::npos;
    }
    std::string one;
};

}  // namespace

TEST_CASE("a boot installs a version of another size, and maps the volume by a table that fits it") {
    const auto [blocks, block_size] = GENERATE(std::pair(43, 4096), std::pair(17, 4096), std::pair(40, 8192));
    OtherLayoutKiosk kiosk(static_cast<std::size_t>(blocks), static_cast<std::uint64_t>(block_size));
    kiosk.dirty(3);
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden() && kiosk.marked() == Blocks(0); };
    const BootReport report = kiosk.booted();
    CHECK(report.outcome == BootOutcome::restored);
    CHECK(report.version == 2);
    CHECK(report.version_before == 1);
    CHECK(report.document == kiosk.configuration.source);
    CHECK(report.block_size.bytes() == Bytes(static_cast<std::uint64_t>(block_size)));
    CHECK(golden_when_live);
    CHECK(kiosk.trace.held == 2);
    CHECK(kiosk.is_mapped_in_blocks_of(static_cast<std::uint64_t>(block_size)));
    kiosk.with_log([](log::WriteLog& log) { CHECK(volume::mark_good(log).value()); });
    CHECK(kiosk.booted().outcome == BootOutcome::clean);
}

TEST_CASE("a version of another size that is not confirmed is left for the one before") {
    OtherLayoutKiosk kiosk;
    CHECK(kiosk.booted().version == 2);
    kiosk.dirty(7);
    const BootReport back = kiosk.booted();
    CHECK(back.version == 1);
    CHECK(back.version_before == 2);
    CHECK(kiosk.is_version_one());
    CHECK(kiosk.marked() == Blocks(0));
    CHECK(kiosk.record().rejected_version == 2);
    CHECK(kiosk.booted().version == 1);
}

TEST_CASE("a version of another size without its data is taken back, and a clean volume stays clean") {
    OtherLayoutKiosk kiosk;
    std::filesystem::remove(kiosk.directory / "store/kiosk/2/image.zst");
    const bool clean = GENERATE(true, false);
    if (!clean) kiosk.dirty(5);
    const BootReport report = kiosk.booted();
    CHECK(report.version == 1);
    CHECK(kiosk.is_version_one());
    CHECK(kiosk.marked() == Blocks(0));
    CHECK(kiosk.record().state == VolumeState::golden);
    CHECK_FALSE(kiosk.record().before);
    CHECK(kiosk.trace.activated == 1);
    CHECK(report.outcome == (clean ? BootOutcome::clean : BootOutcome::restored));
}

TEST_CASE("where neither version's data can be had a session's volume starts as its owner says") {
    OtherLayoutKiosk kiosk;
    kiosk.dirty(5);
    kiosk.configuration.offline.policy = format::OfflinePolicy::boot;
    kiosk.configuration.offline.most_boots = 1;
    for (const char* const version : {"1", "2"})
        std::filesystem::remove(kiosk.directory / "store/kiosk" / version / "image.zst");
    const std::string disk = test::read_file(kiosk.data());
    const BootReport report = kiosk.booted();
    CHECK(report.outcome == BootOutcome::unrestored);
    CHECK(report.version == 1);
    CHECK(test::read_file(kiosk.data()) == disk);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("a layout that a power cut left unfinished is finished by the next boot") {
    OtherLayoutKiosk kiosk;
    kiosk.with_log([&](log::WriteLog& log) {
        // The record is durable, and nothing after it.
        format::ImageRecord record = *log.record();
        record.image_version = 2;
        record.manifest = test::read_file(kiosk.directory / "store/kiosk/2/manifest.json");
        record.state = VolumeState::provisioning;
        record.unknown = true;
        REQUIRE(log.write_record(record).ok());
    });
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.is_golden());
    CHECK(kiosk.trace.held == 1);
}

TEST_CASE("a version that does not fit the disk is not installed") {
    OtherLayoutKiosk kiosk(test::image_blocks + 4);
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.observer.lines.find("is too small") != std::string::npos);
    CHECK(kiosk.is_version_one());
}

}  // namespace regild::boot
