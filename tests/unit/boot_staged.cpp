// SPDX-License-Identifier: GPL-2.0-or-later
// What a session stages is installed at the next boot, without a network.
#include "boot_kiosk.hpp"
#include "url.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/stage.hpp"

namespace regild::boot {
namespace {

using format::UpdatePolicy;
using test::ProvisionedKiosk;

bool has(const std::string& lines, const std::string& part) {
    return lines.find(part) != std::string::npos;
}

struct StagedKiosk : ProvisionedKiosk {
    explicit StagedKiosk(std::size_t blocks = test::image_blocks) : ProvisionedKiosk(blocks) {
        configuration.update = UpdatePolicy::staged;
        configuration.cache = directory / "cache";
        test::write_file(configuration.cache, std::string(std::size_t{4} << 20, '\0'));
        golden = test::read_file(directory / "golden.img");
        publish_with_changes(2, {3, 10, 31});
    }
    // As `regild update --stage` does.
    void stage() {
        volume::OpenCache cache = volume::open_cache(configuration.cache).value();
        const auto disk = block::Device::open(configuration.data, block::Access::read);
        const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, stop);
        const net::Url url = test::url("file://" + (directory / "store/kiosk/stable.json").string());
        with_log([&](log::WriteLog& log) {
            const store::Source installed = store::installed_source(url, log.record()->manifest).value();
            const auto next = volume::newer_version(log, *fetcher, url, {trust, {}}, observer);
            REQUIRE(next->has_value());
            const Result<volume::StageReport> staged =
                volume::stage(installed, **next, disk->get(), {*fetcher, cache.cache.get(), observer}, stop);
            REQUIRE(staged.ok());
            CHECK(staged->differing == Blocks(3));
            CHECK(staged->whole);
            CHECK(staged->way_back);
            format::ImageRecord record = *log.record();
            record.staged = {(*next)->manifest_text, (*next)->signature};
            REQUIRE(log.write_record(record).ok());
        });
    }
    bool has_staged() {
        bool staged = false;
        with_log([&](log::WriteLog& log) { staged = bool(log.record()->staged); });
        return staged;
    }
    BootReport boot_without_network() {
        options.no_network = true;
        configuration.source = test::behind_a_network;
        Result<BootReport> report = boot();
        if (!report) FAIL(report.error().message);
        return *report;
    }
    bool is_version_one() { return test::read_file(data()).substr(0, golden.size()) == golden; }
    std::string golden;  // of version 1
};

}  // namespace

TEST_CASE("a boot installs what was staged, and the way back is there too, all without a network") {
    StagedKiosk kiosk;
    kiosk.configuration.trial_boots = 1;
    CHECK(kiosk.boot_without_network().version == 1);
    kiosk.stage();
    std::filesystem::remove_all(kiosk.directory / "store");
    const BootReport report = kiosk.boot_without_network();
    CHECK(report.version == 2);
    CHECK(report.version_before == 1);
    CHECK(report.restore.marked == Blocks(3));
    CHECK(kiosk.is_golden());
    CHECK(report.restore.requests == 0);
    CHECK_FALSE(kiosk.has_staged());
    // Nobody confirms it.
    const BootReport back = kiosk.boot_without_network();
    CHECK(back.version == 1);
    CHECK(kiosk.is_version_one());
}

TEST_CASE("nothing but the log is asked for what is staged") {
    StagedKiosk kiosk;
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::clean);
    CHECK(kiosk.fetchers == 0);
}

TEST_CASE("a staged version of which the cache has lost a block is given up, and nothing was written") {
    StagedKiosk kiosk;
    kiosk.stage();
    const std::string before = test::read_file(kiosk.data());
    const std::string block =
        test::read_file(kiosk.directory / "golden.img").substr(10 * test::block_bytes, test::block_bytes);
    kiosk.with_log([&](log::WriteLog& log) {
        const format::Manifest staged = format::parse_manifest(log.record()->staged.manifest).value();
        volume::OpenCache cache = volume::open_cache(kiosk.configuration.cache).value();
        const Digest digest = codec::SaltedSha256(staged.salt)(as_bytes(block));
        REQUIRE(cache.cache->has(digest));
        cache.cache->forget(digest);
        cache.cache->finish();
    });
    const BootReport report = kiosk.boot_without_network();
    CHECK(report.outcome == BootOutcome::clean);
    CHECK(report.version == 1);
    CHECK(has(kiosk.observer.lines, "going back to version 1"));
    CHECK_FALSE(kiosk.has_staged());
    CHECK(test::read_file(kiosk.data()) == before);
}

TEST_CASE("a staged version whose trees the cache has lost is not installed without a network") {
    StagedKiosk kiosk;
    kiosk.stage();
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    const std::string before = test::read_file(kiosk.data());
    CHECK(kiosk.boot_without_network().version == 1);
    CHECK(test::read_file(kiosk.data()) == before);
}

TEST_CASE("what is staged and no good is said and forgotten") {
    StagedKiosk kiosk;
    kiosk.stage();
    std::string why;
    SECTION("rejected") {
        kiosk.change_record([](format::ImageRecord& record) { record.rejected_version = 2; });
        why = "version 2 was not confirmed";
    }
    SECTION("not newer") {
        kiosk.change_record([](format::ImageRecord& record) { record.staged.manifest = record.manifest; });
        why = "version 1 is not newer";
    }
    SECTION("of another image") {
        kiosk.change_record([](format::ImageRecord& record) {
            std::string& manifest = record.staged.manifest;
            manifest.replace(manifest.find("kiosk"), 5, "other");
        });
        why = "it is of image other";
    }
    SECTION("signed by nobody") {
        const codec::PrivateKey key = codec::PrivateKey::generate();
        kiosk.change_record(
            [&](format::ImageRecord& record) { record.signature = key.sign(record.manifest); });
        kiosk.trust = store::Trust(codec::PublicKeys::parse(key.public_pem()).value());
        why = "sign";
    }
    const std::string before = test::read_file(kiosk.data());
    kiosk.boot_without_network();
    CHECK(has(kiosk.observer.lines, "what was staged is not installed: "));
    CHECK(has(kiosk.observer.lines, why));
    CHECK_FALSE(kiosk.has_staged());
    CHECK(test::read_file(kiosk.data()) == before);
}

TEST_CASE("the way back is staged where it is wanted, and said to be there where it is") {
    StagedKiosk kiosk(400);
    const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, kiosk.stop);
    const net::Url url = net::parse_document_url(kiosk.configuration.source).value();
    const auto disk = block::Device::open(kiosk.configuration.data, block::Access::read);
    const auto stage = [&](block::Storage* way_back) {
        volume::OpenCache cache = volume::open_cache(kiosk.configuration.cache).value();
        Result<volume::StageReport> staged = volume::StageReport{};
        kiosk.with_log([&](log::WriteLog& log) {
            const store::Source installed = store::installed_source(url, log.record()->manifest).value();
            const auto next = volume::newer_version(log, *fetcher, url, {kiosk.trust, {}}, kiosk.observer);
            staged = volume::stage(installed, **next, way_back, {*fetcher, cache.cache.get(), kiosk.observer},
                                   kiosk.stop);
        });
        REQUIRE(staged.ok());
        CHECK(staged->whole);
        return *staged;
    };
    CHECK_FALSE(stage(nullptr).way_back);
    CHECK(stage(disk->get()).way_back);
    // Room for one of the two.
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{1} << 20, '\0'));
    kiosk.publish_with_changes(3, [] {
        std::vector<std::size_t> most(180);
        for (std::size_t i = 0; i < most.size(); ++i)
            most[i] = i;
        return most;
    }());
    CHECK_FALSE(stage(disk->get()).way_back);
}

TEST_CASE("a way back that is too large for the cache goes round in it not once") {
    StagedKiosk kiosk(500);
    test::write_file(kiosk.configuration.cache, std::string(std::size_t{1} << 20, '\0'));
    std::vector<std::size_t> most(400);
    for (std::size_t i = 0; i < most.size(); ++i)
        most[i] = i;
    kiosk.publish_with_changes(3, most);
    const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, kiosk.stop);
    const net::Url url = net::parse_document_url(kiosk.configuration.source).value();
    const auto disk = block::Device::open(kiosk.configuration.data, block::Access::read);
    volume::OpenCache cache = volume::open_cache(kiosk.configuration.cache).value();
    kiosk.with_log([&](log::WriteLog& log) {
        const store::Source installed = store::installed_source(url, log.record()->manifest).value();
        const auto next = volume::newer_version(log, *fetcher, url, {kiosk.trust, {}}, kiosk.observer);
        const auto kept = volume::keep_way_back(installed, **next, **disk,
                                                {*fetcher, cache.cache.get(), kiosk.observer}, kiosk.stop);
        CHECK_FALSE(kept.value().has_value());
    });
    CHECK(cache.cache->all_written() <= cache.cache->geometry().ring_length());
}

TEST_CASE("what an update would fetch is told, without what is staged") {
    StagedKiosk kiosk;
    const std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, kiosk.stop);
    const net::Url url = net::parse_document_url(kiosk.configuration.source).value();
    const auto disk = block::Device::open(kiosk.configuration.data, block::Access::read);
    kiosk.dirty(10);
    kiosk.with_log([&](log::WriteLog& log) {
        const store::Source installed = store::installed_source(url, log.record()->manifest).value();
        const auto next = volume::newer_version(log, *fetcher, url, {kiosk.trust, {}}, kiosk.observer);
        const auto need =
            volume::update_need(installed, **next, disk->get(), {*fetcher, nullptr, kiosk.observer});
        REQUIRE(need.ok());
        CHECK(need->differing == Blocks(3));
        // They do not compress. For the way back, the one that the disk has not.
        CHECK(need->frames > Bytes(4 * test::block_bytes));
        CHECK(need->frames < Bytes(5 * test::block_bytes));
        const auto forward =
            volume::update_need(installed, **next, nullptr, {*fetcher, nullptr, kiosk.observer});
        CHECK(forward->frames > Bytes(3 * test::block_bytes));
        CHECK(forward->frames < need->frames);
        volume::OpenCache cache = volume::open_cache(kiosk.configuration.cache).value();
        REQUIRE(volume::stage(installed, **next, disk->get(), {*fetcher, cache.cache.get(), kiosk.observer},
                              kiosk.stop)
                    .ok());
        const auto rest = volume::update_need(installed, **next, disk->get(),
                                              {*fetcher, cache.cache.get(), kiosk.observer});
        CHECK(rest->frames == Bytes(0));
    });
}

}  // namespace regild::boot
