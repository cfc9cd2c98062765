// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/boot.hpp"

#include "boot/hold.hpp"
#include "boot/policy.hpp"
#include "boot_kiosk.hpp"
#include "store/cached_blocks.hpp"
#include "store/golden_copy.hpp"

namespace regild::boot {
namespace {

using test::block_bytes;
using test::FakeMapper;
using test::golden_image;
using test::image_blocks;
using test::Kiosk;
using test::overwrite;
using test::ProvisionedKiosk;
using test::read_file;
using test::write_file;

}  // namespace

TEST_CASE("a blank disk is held, provisioned, and golden when it goes live") {
    Kiosk kiosk;
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden() && kiosk.marked() == Blocks(0); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(report->version == 1);
    CHECK(report->mapped == "/dev/mapper/kiosk");
    CHECK(report->document == kiosk.configuration.source);
    CHECK(kiosk.observer.lines.find("asking " + report->document) != std::string::npos);
    CHECK(report->restore.marked == Blocks(image_blocks));
    CHECK(report->restore.zeroed == Blocks(image_blocks / 5));
    CHECK(golden_when_live);
    CHECK(kiosk.trace.table == kiosk.data().string() + " 0 " + kiosk.log().string() + " 0 8");
}

TEST_CASE("a clean disk goes live without the network being touched") {
    ProvisionedKiosk kiosk;
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::clean);
    CHECK(kiosk.fetchers == 0);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("marked blocks are golden again before the volume goes live") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(0);
    kiosk.dirty(4);
    kiosk.dirty(image_blocks - 1);
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden(); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->document.empty());
    CHECK(kiosk.observer.lines.find("store/kiosk/1/image.zst") != std::string::npos);
    CHECK(report->restore.marked == Blocks(3));
    CHECK(golden_when_live);
    CHECK(kiosk.marked() == Blocks(0));
}

TEST_CASE("without the network a disk that needs it stays untouched and unheld") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    const std::string before = read_file(kiosk.data());
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.trace.held == 0);
    CHECK(kiosk.fetchers == 0);
    CHECK(read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("offline halt: a dirty disk does not go live while the server is down") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    kiosk.failures = 1;
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("offline wait: the boot says so, tries again and goes on") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.failures = 3;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(kiosk.observer.lines.find("the server is down; trying again in 2 s") != std::string::npos);
    using std::chrono::seconds;
    CHECK(kiosk.waits == std::vector<std::chrono::milliseconds>{seconds(2), seconds(4), seconds(8)});
    CHECK(kiosk.is_golden());
}

TEST_CASE("the figures of a boot are those of all its attempts") {
    constexpr std::uint64_t blocks = 600;
    Kiosk kiosk(blocks);
    kiosk.ranges_to_come = 3;  // of the eight that the image takes, in each attempt
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(kiosk.waits.size() == 2);
    CHECK(kiosk.is_golden());
    CHECK(report->restore.marked == Blocks(blocks));
    CHECK(report->restore.fetched == Blocks(blocks / 5 * 4));
    CHECK(report->restore.zeroed == Blocks(blocks / 5));
    CHECK(report->restore.bytes_fetched > Bytes(blocks / 5 * 4 * block_bytes));
}

TEST_CASE("with a cache a dirty boot needs no network, and says when it does") {
    Kiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.observer.lines.find("the cache is begun anew") != std::string::npos);
    kiosk.observer.lines.clear();
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;

    kiosk.dirty(7);
    const Result<BootReport> report = kiosk.boot();
    CHECK(kiosk.observer.lines.find("the cache is begun anew") == std::string::npos);
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->restore.from(store::cached_blocks).blocks == Blocks(1));
    CHECK(report->restore.requests == 0);
    CHECK(kiosk.is_golden());

    // What was in the cache is gone: nothing is touched, and nobody waits.
    write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    kiosk.dirty(7);
    const std::string before = read_file(kiosk.data());
    const Result<BootReport> missed = kiosk.boot();
    REQUIRE_FALSE(missed.ok());
    CHECK(missed.error().kind == Failure::network);
    CHECK(kiosk.waits.empty());
    CHECK(read_file(kiosk.data()) == before);
    kiosk.options.no_network = false;
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
}

TEST_CASE("where the marks are not believed a boot finds what nothing marks") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.trust = format::LogTrust::hash;
    // Past the target, in data and in zeros; and through it.
    overwrite(kiosk.data(), 7 * test::block_bytes, "!");
    overwrite(kiosk.data(), 9 * test::block_bytes + 5, "!");
    kiosk.dirty(12);
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(kiosk.is_golden());
    CHECK(report->restore.already_right == Blocks(test::image_blocks - 3));
    CHECK(report->restore.fetched == Blocks(2));
    CHECK(kiosk.marked() == Blocks(0));
}

TEST_CASE("a boot that has to wait for its network compares all blocks once") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    kiosk.dirty(12);
    REQUIRE(kiosk.boot().ok());  // now the cache has the tree, and this block
    kiosk.configuration.trust = format::LogTrust::hash;
    overwrite(kiosk.data(), 7 * test::block_bytes, "!");
    const std::string source = std::exchange(kiosk.configuration.source, test::behind_a_network);
    kiosk.options.no_network = true;
    Course course;
    const Result<BootReport> missed = kiosk.boot(&course);
    REQUIRE_FALSE(missed.ok());
    CHECK(missed.error().kind == Failure::network);
    CHECK(course.compares_all);

    kiosk.configuration.source = source;
    kiosk.options.no_network = false;
    const Result<BootReport> report = kiosk.boot(&course);
    REQUIRE(report.ok());
    CHECK(kiosk.is_golden());
    CHECK(report->restore.marked == Blocks(1));
}

TEST_CASE("a cache that is no good is said and gone on without") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    std::string said;
    std::string content;
    SECTION("missing") {
        said = "cache: ";
    }
    SECTION("too small") {
        content.assign(65536, '\0');
        said = "is too small for a cache";
    }
    SECTION("somebody else's") {
        content.assign(std::size_t{4} << 20, 'x');
        said = "is not a partition of the cache's type";
    }
    if (!content.empty()) write_file(kiosk.configuration.cache, content);
    kiosk.dirty(7);
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
    INFO(kiosk.observer.lines);
    CHECK(kiosk.observer.lines.find(said) != std::string::npos);
    CHECK(kiosk.observer.lines.find("going on without a cache") != std::string::npos);
    if (!content.empty()) CHECK((read_file(kiosk.configuration.cache) == content));
}

TEST_CASE("a boot takes from the golden copy what it has, and goes on without one that is missing") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.golden_copy = kiosk.directory / "copy";
    const bool there = GENERATE(true, false);
    if (there) std::filesystem::copy_file(kiosk.configuration.data, kiosk.configuration.golden_copy);
    kiosk.dirty(7);
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(kiosk.is_golden());
    CHECK(report->restore.from(store::golden_copy).blocks == Blocks(there ? 1 : 0));
    CHECK(report->restore.fetched == Blocks(there ? 0 : 1));
    INFO(kiosk.observer.lines);
    CHECK((kiosk.observer.lines.find("going on without a golden copy") != std::string::npos) == !there);
}

TEST_CASE("a missing image is said and asked for again, and the boot goes on when it is there") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    const std::filesystem::path image = kiosk.directory / "store/kiosk/1/image.zst";
    std::filesystem::rename(image, kiosk.directory / "elsewhere");
    SECTION("it comes back") {
        kiosk.at_wait = [&] {
            if (kiosk.waits.size() == 3) std::filesystem::rename(kiosk.directory / "elsewhere", image);
        };
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.waits.size() == 3);
        CHECK(kiosk.observer.lines.find("trying again in 8 s") != std::string::npos);
        CHECK(kiosk.is_golden());
    }
    SECTION("it does not: the boot ends with the kind of the failure, and nothing is mapped") {
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::source);
        CHECK(kiosk.waits.size() == most_retries_of_a_bad_source);
        CHECK(kiosk.trace.activated == 0);
        CHECK(kiosk.marked() == Blocks(1));
    }
}

TEST_CASE("a half restored volume is never mapped, whatever the kernel argument says") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.set_state(GENERATE(format::VolumeState::restoring, format::VolumeState::provisioning));
    kiosk.configuration.allow_off = true;
    kiosk.options.skip_restore = true;
    SECTION("while the server is down it does not boot") {
        kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
        kiosk.failures = 1;
        REQUIRE_FALSE(kiosk.boot().ok());
        CHECK(kiosk.trace.activated == 0);
    }
    SECTION("with the server it is restored first") {
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.is_golden());
    }
}

TEST_CASE("a held volume that is half restored does not go live") {
    ProvisionedKiosk kiosk;
    kiosk.set_state(GENERATE(format::VolumeState::restoring, format::VolumeState::provisioning));
    Result<volume::Volume> seen = volume::Volume::open({kiosk.data(), kiosk.log()}, block::Access::read);
    REQUIRE(seen.ok());
    FakeMapper mapper(kiosk.trace);
    Result<HeldVolume> held = hold(mapper, "kiosk", *seen, seen->log().geometry(), {});
    REQUIRE(held.ok());
    const Result<void> active = activate(*held->mapping, held->volume);
    REQUIRE_FALSE(active.ok());
    CHECK(active.error().kind == Failure::refused);
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("a boot writes a bad superblock copy anew before the volume goes live") {
    ProvisionedKiosk kiosk;
    const std::string log = read_file(kiosk.log());
    const std::size_t copy = GENERATE(std::size_t{0}, std::size_t{1});
    overwrite(kiosk.log(), copy == 0 ? 0 : log.rfind("WRITELOG"), std::string(512, 'x'));
    bool whole_when_live = false;
    kiosk.trace.at_activation = [&] { whole_when_live = read_file(kiosk.log()) == log; };
    REQUIRE(kiosk.boot().ok());
    CHECK(whole_when_live);
}

TEST_CASE("a restore that was cut off before its last record needs no network") {
    ProvisionedKiosk kiosk;
    kiosk.set_state(format::VolumeState::restoring);
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->restore.requests == 0);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("regild=off skips the restore only where the configuration allows it") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.options.skip_restore = true;
    SECTION("allowed: the marks stay for the next boot") {
        kiosk.configuration.allow_off = true;
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::skipped);
        CHECK(kiosk.trace.activated == 1);
        CHECK(kiosk.marked() == Blocks(1));
        CHECK(kiosk.observer.lines.find("WITHOUT restoring") != std::string::npos);
    }
    SECTION("not allowed: it is restored, and said") {
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::restored);
        CHECK(kiosk.observer.lines.find("IGNORED") != std::string::npos);
    }
}

TEST_CASE("a disk that holds something else is refused unless it is adopted") {
    Kiosk kiosk;
    overwrite(kiosk.data(), 20, "somebody's data");
    const std::string before = read_file(kiosk.data());
    SECTION("refused, nothing written, no request made") {
        Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::refused);
        CHECK(read_file(kiosk.data()) == before);
        CHECK(kiosk.fetchers == 0);
    }
    SECTION("adopted: blocks that are right already are not fetched") {
        overwrite(kiosk.data(), 3 * block_bytes, golden_image().substr(3 * block_bytes, 2 * block_bytes));
        kiosk.configuration.adopt = true;
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        // Block 3 with its letter, and all zero blocks but none of the others.
        CHECK(report->restore.already_right == Blocks(1 + image_blocks / 5));
        CHECK(kiosk.is_golden());
    }
}

TEST_CASE("a provisioning whose format was cut off goes on without being adopted") {
    ProvisionedKiosk kiosk;
    write_file(kiosk.data(), std::string((image_blocks + 3) * block_bytes, '\0'));
    const std::string log = read_file(kiosk.log());
    // The bitmap is there, both superblocks are not yet.
    const std::size_t second = log.rfind("WRITELOG");
    REQUIRE(second != 0);
    overwrite(kiosk.log(), 8, std::string(504, '\0'));
    overwrite(kiosk.log(), second, std::string(512, '\0'));
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a log of another disk is refused and keeps its marks") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    std::filesystem::resize_file(kiosk.data(), (image_blocks + 5) * block_bytes);
    const std::string before = read_file(kiosk.data());
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("a disk that is too small is refused before anything is written") {
    Kiosk kiosk;
    std::filesystem::resize_file(kiosk.data(), (image_blocks - 1) * block_bytes);
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(report.error().message.find("too small") != std::string::npos);
    CHECK(kiosk.trace.held == 0);
}

TEST_CASE("marks that appear between the first look and the hold are not overlooked") {
    ProvisionedKiosk kiosk;
    kiosk.trace.at_hold = [&] { kiosk.dirty(9); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("a missing device is an error after its timeout and not a guess") {
    Kiosk kiosk;
    kiosk.configuration.log = kiosk.directory / "nothing";
    SECTION("a path") {
        kiosk.configuration.data = kiosk.directory / "nothing";
    }
    SECTION("a label: the error says which partition needs it, and how it gets it") {
        kiosk.configuration.data = "PARTLABEL=no-such-label";
    }
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::disk);
    const bool advice =
        report.error().message.find(
            "sfdisk --part-label /dev/DISK N 'no-such-label' && sfdisk --part-type /dev/DISK N "
            "52474c44-6461-7461-8b1e-6f0c7d2a9e11") != std::string::npos;
    CHECK(advice == kiosk.configuration.data.starts_with("PARTLABEL="));
}

TEST_CASE("an interrupted provisioning goes on with the version that it began with") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.set_state(format::VolumeState::provisioning);
    write_file(kiosk.directory / "store/kiosk/stable.json", "the channel is not asked");
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(report->version == 1);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a boot that asks waits for its jitter once, and a clean one does not") {
    using std::chrono::milliseconds;
    Kiosk kiosk;
    kiosk.configuration.source = test::behind_a_network;
    kiosk.configuration.start_jitter = std::chrono::seconds(90);
    kiosk.jitter = milliseconds(12345);
    kiosk.failures = 1;
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.longest_jitter == milliseconds(90000));
    REQUIRE(kiosk.waits.size() == 2);  // and after the failure
    CHECK(kiosk.waits[0] == milliseconds(12345));
    CHECK(kiosk.observer.lines.find("waiting 13 s before the first request") != std::string::npos);
    CHECK(kiosk.is_golden());

    kiosk.waits.clear();
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.waits.empty());

    kiosk.options.no_network = true;
    kiosk.dirty(3);
    CHECK(kiosk.boot().error().kind == Failure::network);
    CHECK(kiosk.waits.empty());
}

}  // namespace regild::boot
