// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut at every operation of boots that look at a whole disk: a blank one, one that is adopted,
// and one of which each block is hashed.
#include "boot_power_cut.hpp"

namespace regild::boot {
namespace {

using test::CutKiosk;

struct WholeCuts : CutKiosk {
    // As it came out of its box, or from another tool.
    void forget_log(const std::string& disk) {
        test::overwrite(log(), 0, std::string(std::filesystem::file_size(log()), '\0'));
        test::overwrite(data(), 0, disk);
    }
    // Of version 1, but for two blocks that are not zero in it.
    std::string nearly_golden() {
        std::string disk = test::read_file(data());
        for (const std::size_t block : {3, 21})
            disk[block * test::block_bytes] ^= 1;
        return disk;
    }
    void check_golden_at_once(Blocks most_written = Blocks(test::image_blocks)) {
        const BootReport report = booted();
        REQUIRE(report.restore.fetched + report.restore.zeroed <= most_written);
        REQUIRE(holds(1));
        REQUIRE(marked() == Blocks(0));
        REQUIRE(record().version_floor == 1);
        REQUIRE(booted().outcome == BootOutcome::clean);
    }
};

}  // namespace

TEST_CASE_METHOD(WholeCuts,
                 "a power cut at any operation of the first boot of a blank disk needs nobody's help") {
    forget_log(std::string(std::filesystem::file_size(data()), '\0'));
    cut_everywhere([&] { CHECK(booted().outcome == BootOutcome::provisioned); },
                   [&] { check_golden_at_once(); });
}

TEST_CASE_METHOD(WholeCuts, "a power cut at any operation of an adoption costs only what differs") {
    forget_log(nearly_golden());
    REQUIRE_FALSE(boot().ok());
    configuration.adopt = true;
    cut_everywhere([&] { CHECK(booted().restore.fetched == Blocks(2)); },
                   [&] { check_golden_at_once(Blocks(2)); });
}

TEST_CASE_METHOD(WholeCuts,
                 "a power cut at any operation of a boot that hashes all costs only what differs") {
    configuration.trust = format::LogTrust::hash;
    // Behind the log's back.
    const std::string found = nearly_golden();
    test::overwrite(data(), 0, found);
    marks_tell_all = false;
    cut_everywhere([&] { CHECK(booted().restore.fetched == Blocks(2)); },
                   [&] {
                       // The next boot may believe the marks again, of which none is there for nothing.
                       configuration.trust = format::LogTrust::marks;
                       kept = found;
                       REQUIRE(booted().restore.fetched <= Blocks(2));
                       kept.reset();
                       configuration.trust = format::LogTrust::hash;
                       REQUIRE(booted().restore.fetched <= Blocks(2));
                       REQUIRE(holds(1));
                       REQUIRE(marked() == Blocks(0));
                   });
}

}  // namespace regild::boot
