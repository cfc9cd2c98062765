// SPDX-License-Identifier: GPL-2.0-or-later
// What a boot does when the server gives nothing: as the owner's configuration says, and never a mixture.
#include "boot_kiosk.hpp"

namespace regild::boot {
namespace {

using format::OfflinePolicy;
using format::VolumeState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Kiosk;
using test::ProvisionedKiosk;
using test::read_file;

constexpr const char* message = "No cleaning today: please log off when you leave.";

// Where a session has written two blocks, and the server is down.
class OfflineKiosk : public ProvisionedKiosk {
  public:
    explicit OfflineKiosk(OfflinePolicy policy) {
        configuration.offline.policy = policy;
        configuration.offline.message = message;
        dirty(7);
        dirty(9);
        failures = 1000;
    }
};

std::size_t times(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++count;
    return count;
}

}  // namespace

TEST_CASE("offline boot: a complete volume starts as the session left it, counted and with a message") {
    OfflineKiosk kiosk(OfflinePolicy::boot);
    kiosk.configuration.offline.patience = seconds(10);
    const std::string before = read_file(kiosk.data());
    std::uint32_t counted_when_live = 0;
    kiosk.trace.at_activation = [&] { counted_when_live = kiosk.unrestored_boots(); };
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::unrestored);
    CHECK(report->restore.marked == Blocks(2));
    CHECK(report->restore.fetched == Blocks(0));
    CHECK(report->mapped == "/dev/mapper/kiosk");
    CHECK(kiosk.trace.activated == 1);
    CHECK(counted_when_live == 1);
    CHECK(read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(2));
    CHECK(kiosk.waits == std::vector<milliseconds>{seconds(2), seconds(4), seconds(4)});
    INFO(kiosk.observer.lines);
    CHECK(kiosk.observer.lines.find("starting WITHOUT restoring, time 1 of at most 10 in a row; 2 marked") !=
          std::string::npos);
    CHECK(times(kiosk.observer.lines, message) == 1);

    kiosk.failures = 0;
    const Result<BootReport> with_server = kiosk.boot();
    REQUIRE(with_server.ok());
    CHECK(with_server->outcome == BootOutcome::restored);
    CHECK(kiosk.is_golden());
    CHECK(kiosk.unrestored_boots() == 0);
}

TEST_CASE("offline boot: no more boots in a row than the owner allows") {
    OfflineKiosk kiosk(OfflinePolicy::boot);
    kiosk.configuration.offline.patience = seconds(0);
    kiosk.configuration.offline.most_boots = 2;
    for (unsigned boot = 1; boot <= 2; ++boot) {
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.unrestored_boots() == boot);
    }
    kiosk.trace = {};
    const Result<BootReport> third = kiosk.boot();
    REQUIRE_FALSE(third.ok());
    CHECK(third.error().kind == Failure::network);
    CHECK(third.error().message.find("a restore are 2, as many as") != std::string::npos);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.unrestored_boots() == 2);

    kiosk.failures = 0;
    REQUIRE(kiosk.boot().ok());
    kiosk.failures = 1000;
    kiosk.dirty(3);
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.unrestored_boots() == 1);
}

TEST_CASE("offline boot: what was half restored before is not started") {
    OfflineKiosk kiosk(OfflinePolicy::boot);
    kiosk.configuration.offline.patience = seconds(0);
    kiosk.set_state(GENERATE(VolumeState::restoring, VolumeState::provisioning));
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(report.error().message.find("not completely restored") != std::string::npos);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.unrestored_boots() == 0);
    CHECK(times(kiosk.observer.lines, message) == 1);
}

TEST_CASE("offline boot: what this boot began to restore is not started") {
    constexpr std::uint64_t blocks = 12288;  // 38 MiB that do not compress: more than memory holds
    ProvisionedKiosk kiosk(blocks);
    kiosk.configuration.offline.policy = OfflinePolicy::boot;
    kiosk.configuration.offline.patience = seconds(0);
    kiosk.dirty(0, blocks);
    kiosk.until_down = 178;  // requests, of some 190
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.marked() > Blocks(0));
    CHECK(kiosk.marked() < Blocks(blocks));  // else nothing was shown
    kiosk.with_log([&](log::WriteLog& log) { CHECK(log.record()->state == VolumeState::restoring); });

    kiosk.until_down = UINT_MAX;
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
}

TEST_CASE("offline boot: what was never provisioned, or only without a network, is not started") {
    SECTION("no log") {
        Kiosk kiosk;
        kiosk.configuration.offline.policy = OfflinePolicy::boot;
        kiosk.configuration.offline.patience = seconds(0);
        kiosk.failures = 1000;
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::network);
        CHECK(kiosk.trace.held == 0);
    }
    SECTION("--no-network: whether there is a network is asked first") {
        OfflineKiosk kiosk(OfflinePolicy::boot);
        kiosk.configuration.offline.reboot = seconds(5);
        kiosk.options.no_network = true;
        kiosk.configuration.source = test::behind_a_network;
        if (GENERATE(false, true)) {
            kiosk.configuration.cache = kiosk.directory / "cache";
            test::write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
        }
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::network);
        CHECK(kiosk.trace.activated == 0);
        CHECK(kiosk.waits.empty());
        CHECK(times(kiosk.observer.lines, message) == 0);
    }
}

TEST_CASE("what a local source has needs no network: provisioning, restoring, updating") {
    Kiosk kiosk;
    kiosk.options.no_network = true;
    kiosk.configuration.source = "file://" + (kiosk.directory / "store/kiosk/stable.json").string();
    kiosk.configuration.update = GENERATE(format::UpdatePolicy::boot, format::UpdatePolicy::dirty);
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
    kiosk.dirty(7);
    kiosk.publish_with_changes(2, {3});
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a local source that gives nothing is left to a run that may wait, or ask others") {
    ProvisionedKiosk kiosk;
    kiosk.options.no_network = true;
    kiosk.configuration.source = "file://" + (kiosk.directory / "stick/kiosk/stable.json").string();
    kiosk.configuration.offline.policy = OfflinePolicy::boot;
    kiosk.dirty(7);
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(report.error().message.find("stick/kiosk/1/image.verity") != std::string::npos);
    CHECK(kiosk.waits.empty());
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("a failure that is not the server's is not the policy's") {
    OfflineKiosk kiosk(OfflinePolicy::boot);
    kiosk.configuration.offline.reboot = seconds(5);
    kiosk.trace.at_hold = [&] { kiosk.dirty(11); };
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.waits.empty());
}

TEST_CASE("a machine that has given up starts anew when its owner says, with a message meanwhile") {
    OfflineKiosk kiosk(OfflinePolicy::halt);
    kiosk.configuration.offline.reboot = seconds(300);
    std::string shown_when_waiting;
    kiosk.at_wait = [&] { shown_when_waiting = kiosk.observer.lines; };
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::reboot);
    CHECK(kiosk.waits == std::vector<milliseconds>{seconds(300)});
    CHECK(times(shown_when_waiting, message) == 1);
    CHECK(times(shown_when_waiting, "the server is down; the machine starts anew in 300 s") == 1);
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("offline wait: the message is there while it waits, and when its patience has run out") {
    OfflineKiosk kiosk(OfflinePolicy::wait);
    kiosk.configuration.offline.patience = seconds(100);
    std::vector<std::size_t> shown;
    kiosk.at_wait = [&] { shown.push_back(times(kiosk.observer.lines, message)); };
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.waits == std::vector<milliseconds>{seconds(2), seconds(4), seconds(8), seconds(16),
                                                   seconds(30), seconds(30), seconds(10)});
    CHECK(shown == std::vector<std::size_t>(7, 1));
    CHECK(times(kiosk.observer.lines, message) == 2);
    CHECK(kiosk.trace.activated == 0);
}

}  // namespace regild::boot
