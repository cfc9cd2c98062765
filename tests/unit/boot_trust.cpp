// SPDX-License-Identifier: GPL-2.0-or-later
// A boot with keys believes neither the store nor its own log without a signature (invariant 11).
#include "boot_signed_kiosk.hpp"

namespace regild::boot {
namespace {

using test::Kiosk;
using test::read_file;
using test::SignedKiosk;
using test::write_file;

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a kiosk with keys is provisioned from a store that is signed, and from no other") {
    SignedKiosk kiosk;
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    SECTION("signed") {
        kiosk.sign();
        const Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::provisioned);
        CHECK(kiosk.is_golden());
        kiosk.with_log([&](log::WriteLog& log) {
            CHECK(log.record()->signature == kiosk.key.sign(log.record()->manifest));
        });
        CHECK(kiosk.known_serial() == 1);
        CHECK_FALSE(has(kiosk.observer.lines, "names no keys"));
        kiosk.fetchers = 0;
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.fetchers == 0);
    }
    SECTION("not signed") {
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::source);
        CHECK(kiosk.trace.activated == 0);
        CHECK(read_file(kiosk.log()).find("WRITELOG") == std::string::npos);
    }
    SECTION("signed by somebody else") {
        kiosk.sign(codec::PrivateKey::generate());
        CHECK_FALSE(kiosk.boot().ok());
        CHECK(kiosk.trace.activated == 0);
    }
}

TEST_CASE("a boot without keys says so") {
    Kiosk kiosk;
    REQUIRE(kiosk.boot().ok());
    CHECK(has(kiosk.observer.lines, "names no keys"));
}

TEST_CASE("a log that no key signed is not believed: the volume is hashed and made golden") {
    SignedKiosk kiosk;
    kiosk.sign();
    REQUIRE(kiosk.boot().ok());
    const std::string golden = read_file(kiosk.data());
    SECTION("the signature is gone") {
        kiosk.with_log([](log::WriteLog& log) {
            format::ImageRecord record = *log.record();
            record.signature.clear();
            REQUIRE(log.write_record(record).ok());
        });
    }
    SECTION("the manifest is another one") {
        kiosk.with_log([](log::WriteLog& log) {
            format::ImageRecord record = *log.record();
            record.manifest += "\n";
            REQUIRE(log.write_record(record).ok());
        });
    }
    SECTION("it is of another image") {
        kiosk.with_log([&](log::WriteLog& log) {
            format::ImageRecord record = *log.record();
            format::Manifest manifest = format::parse_manifest(record.manifest).value();
            record.image = manifest.image = "admin";
            record.manifest = format::serialize_manifest(manifest);
            record.signature = kiosk.key.sign(record.manifest);
            REQUIRE(log.write_record(record).ok());
        });
        kiosk.trust = store::Trust(codec::PublicKeys::parse(kiosk.key.public_pem()).value(), "kiosk");
    }
    SECTION("the key was rotated out") {
        kiosk.key = codec::PrivateKey::generate();
        kiosk.trust = store::Trust(codec::PublicKeys::parse(kiosk.key.public_pem()).value());
        kiosk.sign();
    }
    kiosk.fetchers = 0;
    kiosk.trace = {};
    // Behind the log's back.
    test::overwrite(kiosk.data(), test::block_bytes, "nothing marks this");
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    const Result<BootReport> without = kiosk.boot();
    REQUIRE_FALSE(without.ok());
    CHECK(without.error().kind == Failure::network);
    CHECK(kiosk.trace.activated == 0);

    kiosk.options.no_network = false;
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(has(kiosk.observer.lines, "is not believed"));
    CHECK(report->restore.fetched == Blocks(1));
    CHECK(read_file(kiosk.data()) == golden);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("rollback: with keys a channel older than the one that was believed is refused") {
    SignedKiosk kiosk;
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    const auto serve = [&](std::uint64_t serial) {
        kiosk.sign();
        kiosk.serve({"kiosk", 1, "stable", serial});
    };
    serve(7);
    REQUIRE(kiosk.boot().ok());
    // What makes it ask again.
    kiosk.change_record([](format::ImageRecord& record) { record.disk.start += Sectors(1); });
    kiosk.configuration.adopt = true;
    kiosk.trace = {};
    SECTION("an older one") {
        serve(6);
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::refused);
        CHECK(has(report.error().message, "serial number 6 of the channel"));
        CHECK(kiosk.trace.activated == 0);
    }
    SECTION("an older one that the owner allows") {
        serve(6);
        kiosk.configuration.allow_downgrade = true;
        CHECK(kiosk.boot().ok());
    }
    SECTION("the same") {
        CHECK(kiosk.boot().ok());
    }
    SECTION("a newer one") {
        serve(8);
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.known_serial() == 8);
        CHECK(kiosk.record().channels.size() == 1);
    }
}

TEST_CASE("freeze: a machine that is given an old channel for ever, or none, says so at each boot") {
    using format::UpdatePolicy;
    constexpr std::uint64_t day = 86400;
    SignedKiosk kiosk;
    kiosk.sign();
    kiosk.serve({"kiosk", 1, "stable", 7, 100 * day});
    const auto on_day = [&](std::uint64_t now) {
        kiosk.trust_in({&kiosk.key}, {.now = now * day, .max_age = 30 * day});
    };
    on_day(110);
    kiosk.configuration.update = GENERATE(UpdatePolicy::boot, UpdatePolicy::dirty, UpdatePolicy::staged);
    REQUIRE(kiosk.boot().ok());
    REQUIRE(kiosk.boot().ok());
    CHECK_FALSE(has(kiosk.observer.lines, "issued at"));
    on_day(131);
    SECTION("the same one for ever") {}
    SECTION("none") {
        std::filesystem::remove(kiosk.path_of("stable"));
    }
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 1);
    CHECK(has(kiosk.observer.lines,
              "of those that this machine has seen the channel was issued at 1970-04-11T00:00:00Z, 31 days "
              "ago, and "
              "\"max_age\" is less"));
}

TEST_CASE("what nobody signed says nothing of versions that are too old") {
    SignedKiosk kiosk;
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    kiosk.sign();
    REQUIRE(kiosk.boot().ok());
    // Somebody with the rights of root wants no version ever to be good enough.
    kiosk.change_record([](format::ImageRecord& record) {
        record.version_floor = record.image_version = format::max_version;
        record.channels = {{format::serialize_channel({"kiosk", 1, "stable", format::max_version}), ""}};
        SECTION("of a version that nobody signed") {
            record.manifest.replace(record.manifest.find("\"version\": 1"), 12,
                                    "\"version\": 9007199254740991");
        }
        SECTION("of a version that is not the one that is signed") {}
        SECTION("of one that is signed, and that the floor is not of") {
            record.image_version = 1;
            record.channels.clear();
        }
    });
    const Result<BootReport> report = kiosk.boot();
    if (!report) FAIL(report.error().message);
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(kiosk.is_golden());
    kiosk.with_log([](log::WriteLog& log) { CHECK(log.record()->version_floor == 1); });
    CHECK(kiosk.known_serial() == 1);
}

TEST_CASE("a machine that goes to another channel is not held to the serial numbers of the one before") {
    SignedKiosk kiosk;
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    const auto serve = [&](const std::string& channel, std::uint64_t serial, std::uint64_t version) {
        kiosk.sign();
        kiosk.serve({"kiosk", version, channel, serial});
    };
    serve("stable", 7, 1);
    REQUIRE(kiosk.boot().ok());
    kiosk.publish_with_changes(2, {3});
    serve("testing", 2, 2);
    serve("stable", 6, 2);
    CHECK(kiosk.boot()->version == 1);
    CHECK(has(kiosk.observer.lines, "its serial number is 6, and the last one was 7"));
    const std::string stable = kiosk.configuration.source;
    kiosk.configuration.source = "file://" + (kiosk.directory / "store/kiosk/testing.json").string();
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    CHECK(kiosk.is_golden());
    // Nor does that one forget what it was.
    kiosk.publish_with_changes(3, {5});
    serve("stable", 6, 3);
    kiosk.configuration.source = stable;
    CHECK(kiosk.boot()->version == 2);
    serve("stable", 8, 3);
    CHECK(kiosk.boot()->version == 3);
}

}  // namespace regild::boot
