// SPDX-License-Identifier: GPL-2.0-or-later
// A boot installs a newer version where its owner's policy says so, and goes on without where it cannot be
// had.
#include "boot_kiosk.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using test::Kiosk;
using test::ProvisionedKiosk;

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("with the policy boot a clean kiosk installs the newer version, and moves only what differs") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.update = UpdatePolicy::boot;
    kiosk.publish_with_changes(2, {0, 4, 17});
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden() && kiosk.marked() == Blocks(0); };
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->version == 2);
    CHECK(report->version_before == 1);
    CHECK(report->document == kiosk.configuration.source);
    CHECK(report->restore.marked == Blocks(3));
    CHECK(golden_when_live);
    CHECK(has(kiosk.observer.lines, "installing version 2 in place of 1: 3 blocks differ"));

    const Result<BootReport> next = kiosk.boot();
    REQUIRE(next.ok());
    CHECK(next->outcome == BootOutcome::clean);
    CHECK(next->version == 2);
    CHECK(next->version_before == 0);
}

TEST_CASE("a session's blocks and those of a newer version are restored together") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.update = UpdatePolicy::boot;
    kiosk.publish_with_changes(2, {0, 17});
    kiosk.dirty(17);
    kiosk.dirty(30);
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    CHECK(report->restore.marked == Blocks(3));
    CHECK(kiosk.is_golden());
}

TEST_CASE("the policy says when the source is asked for a newer version") {
    ProvisionedKiosk kiosk;
    kiosk.publish_with_changes(2, {3});
    SECTION("never") {
        kiosk.dirty(5);
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.boot()->version == 1);
    }
    SECTION("dirty: not where the volume is clean") {
        kiosk.configuration.update = UpdatePolicy::dirty;
        CHECK(kiosk.boot()->version == 1);
        CHECK(kiosk.fetchers == 0);
        kiosk.dirty(5);
        CHECK(kiosk.boot()->version == 2);
        CHECK(kiosk.is_golden());
    }
    SECTION("boot: a run that may not use the network says that it needs it") {
        kiosk.configuration.update = UpdatePolicy::boot;
        kiosk.options.no_network = true;
        kiosk.configuration.source = test::behind_a_network;
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::network);
        CHECK(kiosk.trace.activated == 0);
    }
    SECTION("not with regild=off") {
        kiosk.configuration.update = UpdatePolicy::boot;
        kiosk.configuration.allow_off = true;
        kiosk.options.skip_restore = true;
        const Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::skipped);
        CHECK(kiosk.fetchers == 0);
    }
}

TEST_CASE("where no newer version can be had a clean kiosk goes on with the one that it has") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.update = UpdatePolicy::boot;
    kiosk.publish_with_changes(2, {3, 9});
    std::string message;
    SECTION("the server is down") {
        kiosk.failures = 1;
        message = "the server is down";
    }
    SECTION("it goes down while the trees are compared") {
        kiosk.until_down = 1;
        message = "the server is down";
    }
    SECTION("the channel is forged") {
        const codec::PrivateKey key = codec::PrivateKey::generate();
        kiosk.with_log([&](log::WriteLog& log) {
            format::ImageRecord record = *log.record();
            record.signature = key.sign(record.manifest);
            REQUIRE(log.write_record(record).ok());
        });
        kiosk.trust = store::Trust(codec::PublicKeys::parse(key.public_pem()).value());
        message = "stable.json.sig";
    }
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::clean);
    CHECK(report->version == 1);
    CHECK(has(kiosk.observer.lines, message));
    CHECK(has(kiosk.observer.lines, "going on with version 1"));
    CHECK(kiosk.trace.activated == 1);
    CHECK(kiosk.marked() == Blocks(0));
}

TEST_CASE("a newer version whose data cannot be had is taken back, and nothing was written") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.update = UpdatePolicy::boot;
    const std::string before = test::read_file(kiosk.data());
    kiosk.publish_with_changes(2, {3, 9});
    std::filesystem::remove(kiosk.directory / "store/kiosk/2/image.zst");
    SECTION("a clean volume is clean again") {
        const Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::clean);
        CHECK(report->version == 1);
        CHECK(report->version_before == 0);
        CHECK(kiosk.marked() == Blocks(0));
    }
    SECTION("a session's blocks are restored to the version that is there") {
        kiosk.dirty(3);
        kiosk.dirty(20);
        const Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::restored);
        CHECK(report->version == 1);
        CHECK(kiosk.marked() == Blocks(0));
    }
    CHECK(has(kiosk.observer.lines, "going back to version 1"));
    CHECK(test::read_file(kiosk.data()) == before);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("an update that the network cuts off anywhere goes on at the next boot") {
    for (unsigned ranges = 0; ranges < 12; ++ranges) {
        ProvisionedKiosk kiosk;
        kiosk.configuration.update = UpdatePolicy::boot;
        kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
        kiosk.publish_with_changes(2, {3, 9, 33});
        kiosk.until_down = ranges;
        const Result<BootReport> cut_off = kiosk.boot();
        if (cut_off.ok()) CHECK((cut_off->version == 1 || kiosk.is_golden()));
        kiosk.until_down = UINT_MAX;
        const Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->version == 2);
        CHECK(kiosk.is_golden());
        CHECK(kiosk.marked() == Blocks(0));
    }
}

}  // namespace regild::boot
