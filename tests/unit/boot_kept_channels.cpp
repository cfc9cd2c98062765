// SPDX-License-Identifier: GPL-2.0-or-later
// What the channels in the log are worth to a boot when a key was lost, or a session had the rights of root.
#include "base/utc.hpp"
#include "boot_signed_kiosk.hpp"
#include "volume/thaw.hpp"

namespace regild::boot {
namespace {

using test::SignedKiosk;

store::Freshness of_a_month() {
    return {.now = utc_now(), .max_age = 30 * 86400};
}

// Two keys sign, and one of them was lost.
struct LostKey : SignedKiosk {
    LostKey() {
        configuration.update = format::UpdatePolicy::boot;
        configuration.offline.policy = format::OfflinePolicy::halt;
        configuration.allow_thaw = true;
        sign();
        believe_both();
        REQUIRE(boot().ok());
    }
    void believe_both() { trust_in({&key, &lost}, freshness); }
    void take_out() {
        trust_in({&key}, freshness);
        observer.lines.clear();
    }
    // Who has the lost key gives a channel of his own once.
    void fast_forward(std::uint64_t serial, std::uint64_t issued) {
        const std::string good = test::read_file(path_of("stable"));
        serve({"kiosk", 1, "stable", serial, issued}, lost);
        REQUIRE(boot().ok());
        REQUIRE(known_serial() == serial);
        test::write_file(path_of("stable"), good);
        sign();
    }
    void release_two() {
        publish_with_changes(2, {3});
        sign();
    }
    void check_updated() {
        const Result<BootReport> report = boot();
        REQUIRE(report.ok());
        CHECK(report->version == 2);
        CHECK(is_golden());
        CHECK(said("installing version 2 in place of 1"));
        CHECK_FALSE(said("an old one"));
        CHECK(known_serial() == 2);
        CHECK(record().channels.size() == 1);
    }
    codec::PrivateKey lost = codec::PrivateKey::generate();
    store::Freshness freshness;
};

}  // namespace

TEST_CASE("fast-forward: a serial number counts until the key that signed it is taken out, and no longer") {
    LostKey kiosk;
    kiosk.fast_forward(format::max_version, 0);
    kiosk.release_two();
    CHECK(kiosk.boot()->version == 1);
    CHECK(kiosk.said(
        "stable.json is an old one: its serial number is 2, and the last one was 9007199254740991: "
        "going on with version 1"));
    kiosk.take_out();
    kiosk.check_updated();
}

TEST_CASE("fast-forward: a date counts until the key that signed it is taken out, and no longer") {
    LostKey kiosk;
    kiosk.freshness = of_a_month();
    kiosk.believe_both();
    kiosk.fast_forward(1, max_utc);
    kiosk.release_two();
    CHECK(kiosk.boot()->version == 1);
    CHECK(kiosk.said("days ago, and \"max_age\" is less"));
    kiosk.take_out();
    kiosk.check_updated();
}

TEST_CASE("fast-forward: a thaw does not end by the date of a key that was taken out") {
    LostKey kiosk;
    kiosk.fast_forward(1, max_utc);
    kiosk.with_log(
        [&](log::WriteLog& log) { REQUIRE(volume::thaw(log, {.until = kiosk.date + 3600}).ok()); });
    const bool is_taken_out = GENERATE(true, false);
    if (is_taken_out) kiosk.take_out();
    CHECK((kiosk.boot()->outcome == BootOutcome::thawed) == is_taken_out);
}

TEST_CASE("fast-forward: a log that is made anew holds nobody to the number of a key that was taken out") {
    LostKey kiosk;
    kiosk.fast_forward(format::max_version, 0);
    kiosk.release_two();
    // What makes it ask again.
    kiosk.change_record([](format::ImageRecord& record) { record.disk.start += Sectors(1); });
    kiosk.configuration.adopt = true;
    const Result<BootReport> refused = kiosk.boot();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("serial number 2 of the channel is offered") != std::string::npos);
    kiosk.take_out();
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    CHECK(kiosk.known_serial() == 2);
}

TEST_CASE("rollback: a channel counts by its own signature, also in a log whose manifest is not believed") {
    LostKey kiosk;
    kiosk.serve({"kiosk", 1, "stable", 7});
    REQUIRE(kiosk.boot().ok());
    kiosk.change_record(
        [&](format::ImageRecord& record) { record.signature = kiosk.lost.sign(record.manifest); });
    kiosk.take_out();
    kiosk.serve({"kiosk", 1, "stable", 6});
    const Result<BootReport> refused = kiosk.boot();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().message.find("serial number 6 of the channel is offered") != std::string::npos);
    kiosk.serve({"kiosk", 1, "stable", 7});
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.known_serial() == 7);
}

TEST_CASE("root in a session does not stop updates by a number or a date that nobody signed for the image") {
    SignedKiosk kiosk;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    kiosk.trust_in({&kiosk.key}, of_a_month());
    kiosk.sign();
    REQUIRE(kiosk.boot().ok());
    kiosk.publish_with_changes(2, {3});
    kiosk.sign();
    const std::string text = format::serialize_channel({"kiosk", 1, "stable", format::max_version, max_utc});
    kiosk.change_record([&](format::ImageRecord& record) {
        format::KeptChannel& kept = record.channels.at(0);
        SECTION("without a signature") {
            kept = {text, ""};
        }
        SECTION("with the signature of the channel that was there") {
            kept.text = text;
        }
        SECTION("signed by himself") {
            kept = {text, codec::PrivateKey::generate().sign(text)};
        }
        SECTION("signed for another image") {
            kept.text = format::serialize_channel({"lobby", 1, "stable", format::max_version, max_utc});
            kept.signature = kiosk.key.sign(kept.text);
        }
        SECTION("what is signed and no channel") {
            kept = {record.manifest, record.signature};
        }
        SECTION("in each place that there is") {
            record.channels.assign(format::max_channels, {text, std::string(64, 's')});
        }
    });
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->version == 2);
    CHECK(kiosk.is_golden());
    CHECK(kiosk.record().channels.size() == 1);
    CHECK(kiosk.known_serial() == 2);
}

TEST_CASE("a thaw does not end by a date that nobody signed") {
    SignedKiosk kiosk;
    kiosk.configuration.allow_thaw = true;
    kiosk.sign();
    REQUIRE(kiosk.boot().ok());
    kiosk.with_log(
        [&](log::WriteLog& log) { REQUIRE(volume::thaw(log, {.until = kiosk.date + 3600}).ok()); });
    kiosk.change_record([](format::ImageRecord& record) {
        record.channels = {{format::serialize_channel({"kiosk", 1, "stable", 1, max_utc}), ""}};
    });
    CHECK(kiosk.boot()->outcome == BootOutcome::thawed);
}

TEST_CASE("rollback: with what was signed before in the record a channel counts that is newer than that") {
    SignedKiosk kiosk;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    kiosk.sign();
    const auto serve = [&](std::uint64_t serial) {
        kiosk.serve({"kiosk", 1, "stable", serial});
        REQUIRE(kiosk.boot().ok());
    };
    serve(7);
    const format::KeptChannels before = kiosk.record().channels;
    serve(9);
    CHECK(kiosk.known_serial() == 9);
    kiosk.change_record([&](format::ImageRecord& record) { record.channels = before; });
    serve(6);
    CHECK(kiosk.said("its serial number is 6, and the last one was 7"));
    serve(8);
    CHECK(kiosk.known_serial() == 8);
}

TEST_CASE("without keys no channel is kept") {
    test::Kiosk kiosk;
    kiosk.configuration.update = format::UpdatePolicy::boot;
    REQUIRE(kiosk.boot().ok());
    const auto keeps_none = [&] {
        bool none = false;
        kiosk.with_log([&](log::WriteLog& log) { none = log.record()->channels.empty(); });
        return none;
    };
    CHECK(keeps_none());
    kiosk.publish_with_changes(2, {3});
    CHECK(kiosk.boot()->version == 2);
    CHECK(keeps_none());
}

}  // namespace regild::boot
