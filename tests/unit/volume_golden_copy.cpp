// SPDX-License-Identifier: GPL-2.0-or-later
// Restores with a golden copy on another device: what it has right is not fetched, and nothing of it is
// believed.
#include <catch2/catch.hpp>

#include "store/cached_blocks.hpp"
#include "store/golden_copy.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::image_of_300_blocks;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::MemoryStorage;
using test::TestVolume;
using test::usual_session;

// The image without the zeros behind its end, which the disk does not have either.
ByteVector image_bytes(const GoldenImage& image) {
    ByteVector bytes = image.padded;
    bytes.resize(image.manifest.size.count());
    return bytes;
}

RestoreReport restore(TestVolume& volume, const GoldenImage& image, net::Fetcher& fetcher,
                      const NearbyDevices& nearby, std::optional<Bytes> max_fetch = {}) {
    const store::Source source = image.source();
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore({volume.log(), volume.data}, source, fetcher, observer, stop, nearby,
                    {.max_fetch = max_fetch});
    REQUIRE(restore.attempt().ok());
    REQUIRE(test::is_golden(volume.data.content(), image));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    CHECK(observer.last_done == observer.last_total);
    return restore.report();
}

// Nothing but the hash tree.
void require_only_the_tree(const FakeFetcher& fetcher, const GoldenImage& image) {
    for (const auto& request : fetcher.requests)
        CHECK(request.url == image.source().tree_url.with_credentials());
}

TEST_CASE("blocks that a golden copy has are not fetched") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage copy(image_bytes(image));
    SECTION("restoring") {
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        const RestoreReport report = restore(*volume, image, fetcher, {.golden_copy = &copy});
        CHECK(report.from(store::golden_copy).blocks == Blocks(7));
        CHECK(report.zeroed == Blocks(8));
        CHECK(report.fetched == Blocks(0));
        require_only_the_tree(fetcher, image);
    }
    SECTION("provisioning, to the last block, which is a part of one") {
        const auto volume = make_provisioning_volume(image, ByteVector(image.manifest.size.count()));
        FakeFetcher fetcher(image);
        const RestoreReport report = restore(*volume, image, fetcher, {.golden_copy = &copy});
        CHECK(report.from(store::golden_copy).blocks > Blocks(100));
        CHECK(report.fetched == Blocks(0));
        require_only_the_tree(fetcher, image);
    }
}

TEST_CASE("what a golden copy has of another version, or cannot give, is fetched") {
    const GoldenImage image = image_of_300_blocks();
    const auto volume = make_session_volume(image, std::vector{blocks(3, 4), blocks(299, 1)});
    const Bytes at = image.manifest.block_size.offset_of(BlockIndex(4));
    FakeFetcher fetcher(image);
    SECTION("another version") {
        MemoryStorage copy(image_bytes(image));
        copy.overwrite(at, ByteVector(1, std::byte{0x5a}));
        CHECK(restore(*volume, image, fetcher, {.golden_copy = &copy}).fetched == Blocks(1));
    }
    SECTION("a sector that cannot be read") {
        MemoryStorage copy(image_bytes(image));
        copy.make_unreadable(at, Bytes(512));
        CHECK(restore(*volume, image, fetcher, {.golden_copy = &copy}).fetched == Blocks(1));
    }
    SECTION("it ends before the last block does") {
        ByteVector shorter = image_bytes(image);
        shorter.resize(shorter.size() - 512);
        MemoryStorage copy(shorter);
        CHECK(restore(*volume, image, fetcher, {.golden_copy = &copy}).fetched == Blocks(1));
    }
}

TEST_CASE("the cache is asked before the golden copy, and gets nothing of it") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    {
        const auto volume = make_session_volume(image, std::vector{blocks(3, 1)});
        FakeFetcher fetcher(image);
        restore(*volume, image, fetcher, {.cache = &cache});
    }
    MemoryStorage copy(image_bytes(image));
    for (int time = 0; time < 2; ++time) {
        const auto volume = make_session_volume(image, std::vector{blocks(3, 2)});
        FakeFetcher fetcher(image);
        const RestoreReport report =
            restore(*volume, image, fetcher, {.cache = &cache, .golden_copy = &copy});
        CHECK(report.from(store::cached_blocks).blocks == Blocks(1));
        CHECK(report.from(store::golden_copy).blocks == Blocks(1));
        CHECK(fetcher.requests.empty());
    }
}

TEST_CASE("what a golden copy has does not count as what is to be fetched") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage copy(image_bytes(image));
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    restore(*volume, image, fetcher, {.golden_copy = &copy}, KiB(16));
}

}  // namespace
}  // namespace regild::volume
