// SPDX-License-Identifier: GPL-2.0-or-later
// Boots of a version on trial: it is confirmed, or the one before comes back.
#include "boot_kiosk.hpp"
#include "net_server.hpp"
#include "volume/trial.hpp"
#include "volume/update.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using test::ProvisionedKiosk;

bool has(const std::string& lines, const std::string& part) {
    return lines.find(part) != std::string::npos;
}

// Asks at each boot; a new version has two boots.
struct TrialKiosk : ProvisionedKiosk {
    explicit TrialKiosk(std::size_t blocks = test::image_blocks) : ProvisionedKiosk(blocks) {
        configuration.update = UpdatePolicy::boot;
        configuration.trial_boots = 2;
        golden = test::read_file(directory / "golden.img");
    }
    bool is_version_one() { return test::read_file(data()).substr(0, golden.size()) == golden; }
    BootReport booted() {
        Result<BootReport> report = boot();
        if (!report) FAIL(report.error().message);
        return *report;
    }
    // The power fails when the record says which version is installed.
    void install_and_cut_off() {
        with_log([&](log::WriteLog& log) {
            const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, stop);
            const net::Url url = net::parse_document_url(configuration.source).value();
            const auto newer = volume::newer_version(log, *fetcher, url, {trust, {}}, observer);
            REQUIRE(newer.ok());
            const store::Source installed = store::installed_source(url, log.record()->manifest).value();
            REQUIRE(volume::update(log, installed, **newer, 2, {*fetcher, nullptr, observer}).ok());
        });
        REQUIRE(record().image_version == 2);
    }
    std::string golden;  // of version 1
};

}  // namespace

TEST_CASE("a version that is confirmed stays, and is the floor") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.record().trial_boots == 1);
    CHECK(kiosk.record().version_floor == 1);
    kiosk.with_log([](log::WriteLog& log) {
        CHECK(volume::mark_good(log).value());
        CHECK_FALSE(volume::mark_good(log).value());
    });
    CHECK(kiosk.record().version_floor == 2);
    for (unsigned boot = 0; boot < 4; ++boot)
        CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a version that is not confirmed within its boots is left, and not tried again") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    std::vector<std::uint32_t> left;
    kiosk.trace.at_activation = [&] { left.push_back(kiosk.record().trial_boots); };
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.booted().version == 2);
    CHECK(left == std::vector<std::uint32_t>{1, 0});
    kiosk.dirty(9);
    kiosk.dirty(12);
    const BootReport back = kiosk.booted();
    CHECK(back.outcome == BootOutcome::restored);
    CHECK(back.version == 1);
    CHECK(back.version_before == 2);
    CHECK(kiosk.is_version_one());
    CHECK(kiosk.marked() == Blocks(0));
    CHECK(has(kiosk.observer.lines, "version 2 was not confirmed: going back to version 1"));

    CHECK(kiosk.booted().version == 1);
    CHECK(has(kiosk.observer.lines, "version 2 was not confirmed when it was tried, and is not tried again"));
    kiosk.publish_with_changes(3, {4});
    CHECK(kiosk.booted().version == 3);
    CHECK(kiosk.is_golden());
    CHECK(kiosk.record().rejected_version == 0);
}

TEST_CASE("while a version is on trial no newer one takes its place") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    kiosk.publish_with_changes(3, {5});
    const std::filesystem::path frames = kiosk.directory / "store/kiosk/3/image.zst";
    std::filesystem::rename(frames, kiosk.directory / "elsewhere");
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.observer.lines.find("version 2 is on trial: no newer one") != std::string::npos);
    // Nor is there one to which it would have to come back.
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.is_version_one());
    CHECK(kiosk.record().rejected_version == 2);
    std::filesystem::rename(kiosk.directory / "elsewhere", frames);
    CHECK(kiosk.booted().version == 3);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a trial from which there is no way back keeps no newer version away") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    const bool is_over = GENERATE(false, true);
    kiosk.with_log([&](log::WriteLog& log) {
        format::ImageRecord record = *log.record();
        record.before.manifest = "{}";
        if (is_over) record.trial_boots = 0;
        REQUIRE(log.write_record(record).ok());
    });
    kiosk.publish_with_changes(3, {5});
    if (is_over) CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.record().version_floor == 1);
    CHECK(kiosk.booted().version == 3);
    CHECK(kiosk.is_golden());
}

TEST_CASE("with a cache the way back needs no network") {
    TrialKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    // Its first restore fills it with version 1.
    kiosk.configuration.update = UpdatePolicy::never;
    kiosk.dirty(0, test::image_blocks);
    kiosk.booted();
    kiosk.configuration.update = UpdatePolicy::boot;
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.booted().version == 2);
    std::filesystem::remove_all(kiosk.directory / "store");
    kiosk.configuration.update = UpdatePolicy::dirty;
    kiosk.options.no_network = true;
    kiosk.configuration.source = test::behind_a_network;
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.is_version_one());
}

TEST_CASE("a way back that has to wait for its network is told by the boot that has it") {
    TrialKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.booted().version == 2);
    kiosk.dirty(22);  // which the cache has not
    kiosk.configuration.update = UpdatePolicy::dirty;
    kiosk.options.no_network = true;
    const std::string source = std::exchange(kiosk.configuration.source, test::behind_a_network);
    boot::Course course;
    REQUIRE_FALSE(kiosk.boot(&course).ok());
    CHECK(kiosk.record().image_version == 1);
    CHECK(course.version_before == 2);

    kiosk.options.no_network = false;
    kiosk.configuration.source = source;
    const Result<BootReport> report = kiosk.boot(&course);
    REQUIRE(report.ok());
    CHECK(report->version == 1);
    CHECK(report->version_before == 2);
    CHECK(kiosk.is_version_one());
}

TEST_CASE("before a newer version is written, the cache gets what it takes the place of") {
    TrialKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    kiosk.publish_with_changes(2, {3, 9, 31});
    const std::string golden_two = test::read_file(kiosk.directory / "golden.img");
    const std::filesystem::path frames = kiosk.directory / "store/kiosk/1/image.zst";
    const auto check_goes_back_without_network = [&] {
        CHECK(kiosk.booted().version == 2);
        CHECK(has(kiosk.observer.lines, "the way back to version 1 is in the cache"));
        kiosk.booted();
        kiosk.configuration.update = UpdatePolicy::dirty;
        kiosk.options.no_network = true;
        kiosk.configuration.source = test::behind_a_network;
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.is_version_one());
    };
    SECTION("from the disk") {
        std::filesystem::remove(frames);
        check_goes_back_without_network();
    }
    SECTION("from the source, what a session has written over") {
        kiosk.dirty(31);
        check_goes_back_without_network();
    }
    SECTION("after the power has failed, too") {
        kiosk.install_and_cut_off();
        std::filesystem::remove(frames);
        check_goes_back_without_network();
    }
    SECTION("where neither has it the boot says so, and goes on") {
        kiosk.dirty(31);
        std::filesystem::remove(frames);
        CHECK(kiosk.booted().version == 2);
        CHECK(has(kiosk.observer.lines, "the way back to version 1 is not all in the cache"));
    }
    SECTION("a version that needs no confirmation is not gone back from") {
        kiosk.configuration.trial_boots = 0;
        CHECK(kiosk.booted().version == 2);
        CHECK_FALSE(has(kiosk.observer.lines, "the way back"));
    }
    CHECK((kiosk.record().image_version == 1 ||
           test::read_file(kiosk.data()).substr(0, golden_two.size()) == golden_two));
}

TEST_CASE("where the cache has no room for the way back a boot says so, and goes on") {
    TrialKiosk kiosk(500);
    kiosk.configuration.cache = kiosk.directory / "cache";
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{1} << 20, '\0'));
    // Of the way back alone, and with what is fetched.
    std::vector<std::size_t> most(GENERATE(400, 200));
    for (std::size_t i = 0; i < most.size(); ++i)
        most[i] = i;
    kiosk.publish_with_changes(2, most);
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.is_golden());
    CHECK(has(kiosk.observer.lines, "the way back to version 1 is not all in the cache"));
    CHECK_FALSE(has(kiosk.observer.lines, "is in the cache"));
}

TEST_CASE("where the way back needs a network that is not there, the boot says so and goes on later") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    kiosk.booted();
    kiosk.booted();
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    kiosk.failures = 1;
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.record().image_version == 2);
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.is_version_one());
}

TEST_CASE("where the version before is gone a newer one takes the place of what was not confirmed") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    kiosk.booted();
    kiosk.booted();
    std::filesystem::remove_all(kiosk.directory / "store/kiosk/1");
    kiosk.configuration.offline.policy = format::OfflinePolicy::halt;
    SECTION("if there is one") {
        const Result<BootReport> none = kiosk.boot();
        REQUIRE_FALSE(none.ok());
        CHECK(none.error().kind == Failure::source);
        CHECK(has(none.error().message, "the way back to version 1"));
        kiosk.publish_with_changes(3, {5});
        const BootReport report = kiosk.booted();
        CHECK(report.version == 3);
        CHECK(report.version_before == 2);
        CHECK(kiosk.is_golden());
        CHECK(volume::is_on_trial(kiosk.record()));
    }
    SECTION("unless none is to be asked for") {
        kiosk.publish_with_changes(3, {5});
        kiosk.configuration.update = UpdatePolicy::never;
        CHECK_FALSE(kiosk.boot().ok());
        CHECK(kiosk.record().image_version == 2);
    }
}

TEST_CASE("a version that a power cut left untouched, and whose data cannot be had, is left") {
    TrialKiosk kiosk;
    const std::string before = test::read_file(kiosk.data());
    kiosk.publish_with_changes(2, {3, 9});
    kiosk.dirty(3);
    kiosk.install_and_cut_off();
    std::filesystem::remove(kiosk.directory / "store/kiosk/2/image.zst");
    const BootReport report = kiosk.booted();
    CHECK(report.version == 1);
    CHECK(kiosk.is_version_one());
    CHECK(kiosk.marked() == Blocks(0));
    CHECK(kiosk.record().trial_boots == 0);
    CHECK(test::read_file(kiosk.data()) == before);
}

TEST_CASE("a version before that no key signed is not gone back to") {
    TrialKiosk kiosk;
    const codec::PrivateKey key = codec::PrivateKey::generate();
    kiosk.publish_with_changes(2, {3, 9});
    kiosk.booted();
    kiosk.booted();
    kiosk.with_log([&](log::WriteLog& log) {
        format::ImageRecord record = *log.record();
        record.signature = key.sign(record.manifest);
        REQUIRE(log.write_record(record).ok());
    });
    kiosk.trust = store::Trust(codec::PublicKeys::parse(key.public_pem()).value());
    CHECK(kiosk.booted().version == 2);
    CHECK(has(kiosk.observer.lines, "the version before is not believed"));
    CHECK(kiosk.is_golden());
}

TEST_CASE("a boot that starts what a session left of the version before does not count for a trial") {
    TrialKiosk kiosk;
    kiosk.configuration.allow_off = true;
    kiosk.options.skip_restore = true;
    kiosk.publish_with_changes(2, {3, 9});
    kiosk.install_and_cut_off();
    CHECK(kiosk.booted().outcome == BootOutcome::skipped);
    CHECK(kiosk.record().trial_boots == 2);
    kiosk.with_log([](log::WriteLog& log) { CHECK_FALSE(volume::mark_good(log).value()); });
}

TEST_CASE("a way back whose trees are more than may be fetched is not begun") {
    TrialKiosk kiosk;
    kiosk.publish_with_changes(2, {3, 9});
    CHECK(kiosk.booted().version == 2);
    CHECK(kiosk.booted().version == 2);
    test::HttpServer server([&](const test::HttpRequest& request) {
        return test::file_content(kiosk.directory / "store", request);
    });
    kiosk.configuration.source = server.url("/kiosk/stable.json");
    kiosk.configuration.update = UpdatePolicy::never;
    kiosk.configuration.max_fetch = Bytes(100);
    const Result<BootReport> refused = kiosk.boot();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::refused);
    CHECK(kiosk.record().image_version == 2);
    kiosk.configuration.max_fetch = MiB(1);
    CHECK(kiosk.booted().version == 1);
    CHECK(kiosk.is_version_one());
}

}  // namespace regild::boot
