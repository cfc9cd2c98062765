// SPDX-License-Identifier: GPL-2.0-or-later
// An owner's limit of what a restore may fetch.
#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::is_golden;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::TestVolume;

struct Limited {
    Limited(TestVolume& on, const GoldenImage& image, net::Fetcher& fetcher, std::optional<Bytes> max_fetch,
            NearbyDevices nearby = {})
        : source(image.source()),
          restore({on.log(), on.data}, source, fetcher, observer, stop, nearby, {.max_fetch = max_fetch}) {}
    test::SilentObserver observer;
    StopFlag stop;
    store::Source source;
    Restore restore;
};

Bytes needed(const GoldenImage& image, const std::vector<BlockRange>& session) {
    const auto volume = make_session_volume(image, session);
    FakeFetcher fetcher(image);
    Limited limited(*volume, image, fetcher, MiB(1000));
    REQUIRE(limited.restore.attempt().ok());
    return limited.restore.report().bytes_fetched;
}

}  // namespace

TEST_CASE("a restore that needs more than may be fetched is refused before anything is written") {
    const GoldenImage image = test::image_of_300_blocks();
    const Bytes all = needed(image, test::usual_session);
    const auto volume = make_session_volume(image, test::usual_session);
    const ByteVector before = volume->data.content();
    const Blocks marked = volume->bitmap().marked();
    for (const Bytes most : {Bytes(0), KiB(4), Bytes(all.count() / 2), all - Bytes(1)}) {
        FakeFetcher fetcher(image);
        Limited limited(*volume, image, fetcher, most);
        const Result<void> done = limited.restore.attempt();
        REQUIRE_FALSE(done.ok());
        CHECK(done.error().kind == Failure::refused);
        CHECK(done.error().message.find("--max-fetch") != std::string::npos);
        CHECK(volume->data.content() == before);
        CHECK(volume->bitmap().marked() == marked);
        CHECK(volume->log().record()->state == format::VolumeState::golden);
        for (const auto& request : fetcher.requests)
            CHECK(request.url != image.source().data_url.with_credentials());
    }
    FakeFetcher fetcher(image);
    Limited limited(*volume, image, fetcher, all);
    REQUIRE(limited.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(limited.restore.report().bytes_fetched == all);
}

TEST_CASE("zeros and what the cache has count as nothing, but not what it only says that it has") {
    const GoldenImage image = test::image_of_300_blocks();
    test::MemoryStorage device(MiB(2));
    store::Cache cache = *store::Cache::open(device);
    {
        const auto volume = make_session_volume(image, test::usual_session);
        FakeFetcher fetcher(image);
        Limited limited(*volume, image, fetcher, std::nullopt, {.cache = &cache});
        REQUIRE(limited.restore.attempt().ok());
    }
    const auto volume = make_session_volume(image, test::usual_session);
    FakeFetcher fetcher(image);
    SECTION("all is there") {
        Limited limited(*volume, image, fetcher, Bytes(0), {.cache = &cache});
        REQUIRE(limited.restore.attempt().ok());
        CHECK(is_golden(volume->data.content(), image));
        CHECK(fetcher.requests.empty());
    }
    SECTION("somebody wrote over it") {
        const Bytes from = cache.geometry().ring_offset();
        device.overwrite(from, ByteVector(cache.geometry().ring_length().count(), std::byte{1}));
        // Enough for the tree and the index, not for the frames.
        Limited limited(*volume, image, fetcher, KiB(30), {.cache = &cache});
        const Result<void> done = limited.restore.attempt();
        REQUIRE_FALSE(done.ok());
        CHECK(done.error().kind == Failure::refused);
        CHECK(volume->log().record()->state == format::VolumeState::golden);
        for (const auto& request : fetcher.requests)
            CHECK(request.url != image.source().data_url.with_credentials());
    }
}

TEST_CASE("a provisioning fetches what it takes, and a half done restore is limited") {
    const GoldenImage image = test::image_of_300_blocks();
    const auto volume = make_provisioning_volume(image, ByteVector(image.manifest.size.count()));
    FakeFetcher fetcher(image);
    SECTION("provisioning") {
        Limited limited(*volume, image, fetcher, Bytes(0));
        REQUIRE(limited.restore.attempt().ok());
        CHECK(is_golden(volume->data.content(), image));
    }
    SECTION("restoring") {
        format::ImageRecord record = *volume->log().record();
        record.state = format::VolumeState::restoring;
        REQUIRE(volume->log().write_record(record).ok());
        const ByteVector before = volume->data.content();
        Limited limited(*volume, image, fetcher, KiB(64));
        REQUIRE_FALSE(limited.restore.attempt().ok());
        CHECK(volume->data.content() == before);
        CHECK(volume->log().record()->state == format::VolumeState::restoring);
    }
}

TEST_CASE("what the network broke off while it was counted is not asked for again") {
    const GoldenImage image = test::image_of_300_blocks();
    const auto volume = make_session_volume(image, test::usual_session);
    FakeFetcher fetcher(image);
    Limited limited(*volume, image, fetcher, MiB(1));
    fetcher.fail_in = 2;
    REQUIRE(limited.restore.attempt().error().kind == Failure::network);
    const std::size_t requests = fetcher.requests.size();
    fetcher.fail_in.reset();
    REQUIRE(limited.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    for (std::size_t i = 0; i < requests; ++i)
        for (std::size_t j = requests; j < fetcher.requests.size(); ++j)
            if (fetcher.requests[i].url == image.source().tree_url.with_credentials())
                CHECK_FALSE((fetcher.requests[i].url == fetcher.requests[j].url &&
                             fetcher.requests[i].offset == fetcher.requests[j].offset));
}

}  // namespace regild::volume
