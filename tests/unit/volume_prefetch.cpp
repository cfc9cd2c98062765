// SPDX-License-Identifier: GPL-2.0-or-later
// A restore that does not fit in memory: what it needs is in the cache before its first write (invariant 9).
#include "volume/prefetch.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::make_golden_image;
using test::make_session_volume;
using test::MemoryStorage;
using test::TestVolume;

constexpr std::uint64_t image_blocks = 704;  // 44 MiB that do not compress, but for every 16th block

const GoldenImage& large_image() {
    static const GoldenImage image =
        make_golden_image(test::block_size_of(65536), MiB(44), [](std::uint64_t n) { return n % 16 == 15; });
    return image;
}

// All of its blocks were written.
std::unique_ptr<TestVolume> written_volume() {
    const std::vector<BlockRange> session{blocks(0, image_blocks)};
    return make_session_volume(large_image(), session);
}

void put(store::Cache& cache, std::uint64_t block) {
    const GoldenImage& image = large_image();
    codec::SaltedSha256 hash(image.manifest.salt);
    cache.put(hash(image.block(block)),
              ConstByteSpan(image.frames)
                  .subspan(image.frame(block).offset.count(), image.frame(block).length.count()));
}

// The hash tree and all blocks that are not zero, but for those of `without`.
void put_all(store::Cache& cache, BlockRange without) {
    FakeFetcher fetcher(large_image());
    const store::Source source = large_image().source();
    store::TreeReader tree(source, fetcher, &cache);
    REQUIRE(tree.load(BlockSet(Blocks(image_blocks), true), BlockIndex()).ok());
    for (std::uint64_t n = 0; n < image_blocks; ++n)
        if (n % 16 != 15 && (n < without.first.value() || n >= without.end().value())) put(cache, n);
    cache.finish();
}

struct Run {
    Result<void> done;
    RestoreReport report;
    std::string said;
};

Run restore(TestVolume& volume, net::Fetcher& fetcher, store::Cache& cache) {
    const store::Source source = large_image().source();
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore({volume.log(), volume.data}, source, fetcher, observer, stop, {.cache = &cache});
    Result<void> done = restore.attempt();
    return {std::move(done), restore.report(), observer.lines};
}

void require_done(TestVolume& volume) {
    REQUIRE(test::is_golden(volume.data.content(), large_image()));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    REQUIRE(volume.log().record()->state == format::VolumeState::golden);
}

// Not a byte was written to disk or log.
void require_untouched(TestVolume& volume) {
    REQUIRE(volume.journal.entries.empty());
    REQUIRE(volume.log().record()->state == format::VolumeState::golden);
    REQUIRE(volume.bitmap().marked() == Blocks(image_blocks));
}

// From the first write on, which is another thread's.
void die_at_first_write(FakeFetcher& fetcher, TestVolume& volume) {
    const auto written = std::make_shared<std::atomic<bool>>(false);
    volume.journal.before_operation = [written] { *written = true; };
    fetcher.before_range = [&fetcher, written] {
        if (*written) fetcher.fail_in = 0;
    };
}

}  // namespace

TEST_CASE("a large restore whose cache misses one block touches nothing without a network") {
    MemoryStorage device(MiB(64));
    store::Cache cache = store::Cache::open(device).value();
    const std::uint64_t missing = GENERATE(image_blocks - 2, image_blocks - 60);
    put_all(cache, blocks(missing, 1));
    const auto volume = written_volume();
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    const Run run = restore(*volume, *offline, cache);
    REQUIRE_FALSE(run.done.ok());
    CHECK(run.done.error().kind == Failure::network);
    require_untouched(*volume);

    put(cache, missing);
    REQUIRE(restore(*volume, *offline, cache).done.ok());
    require_done(*volume);
}

TEST_CASE("a chunk of a large restore that is not what the cache says touches nothing without a network") {
    MemoryStorage device(MiB(64));
    {
        store::Cache cache = store::Cache::open(device).value();
        put_all(cache, blocks(0, 0));
    }
    // The end of what was put last.
    ByteVector content = device.content();
    const store::Cache last = store::Cache::open(device).value();
    const std::size_t end = (last.geometry().ring_offset() + last.all_written()).count();
    std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(end - 20000), 10000, std::byte{9});
    MemoryStorage spoilt(content);
    store::Cache cache = store::Cache::open(spoilt).value();
    const auto volume = written_volume();
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    REQUIRE_FALSE(restore(*volume, *offline, cache).done.ok());
    require_untouched(*volume);
    FakeFetcher fetcher(large_image());
    REQUIRE(restore(*volume, fetcher, cache).done.ok());
    require_done(*volume);
    CHECK(fetcher.requests.size() < 5);
}

TEST_CASE("what a large restore misses is fetched into the cache before the first write") {
    MemoryStorage device(MiB(64));
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = written_volume();
    FakeFetcher fetcher(large_image());
    SECTION("from an empty cache") {}
    SECTION("nothing that it needs makes room for what comes") {
        // What is needed is the oldest.
        for (std::uint64_t n = 400; n < image_blocks; ++n)
            if (n % 16 != 15) put(cache, n);
        for (std::uint64_t n = 0; n < 640; ++n) {
            Digest other{};
            std::memcpy(other.data(), &n, sizeof n);
            cache.put(other, ByteVector(65536));
        }
    }
    die_at_first_write(fetcher, *volume);
    const Run run = restore(*volume, fetcher, cache);
    REQUIRE(run.done.ok());
    require_done(*volume);
    CHECK(run.said.find("no room") == std::string::npos);
}

TEST_CASE("a network that fails before a large restore writes has touched nothing, and goes on from there") {
    MemoryStorage device(MiB(64));
    const auto volume = written_volume();
    FakeFetcher fetcher(large_image());
    fetcher.fail_in = 160;  // of some 176 requests; memory holds 128
    {
        store::Cache cache = store::Cache::open(device).value();
        REQUIRE_FALSE(restore(*volume, fetcher, cache).done.ok());
    }
    require_untouched(*volume);
    const std::size_t before = fetcher.requests.size();
    fetcher.fail_in.reset();
    store::Cache cache = store::Cache::open(device).value();
    die_at_first_write(fetcher, *volume);
    const Run run = restore(*volume, fetcher, cache);
    REQUIRE(run.done.ok());
    require_done(*volume);
    CHECK(fetcher.requests.size() < before + 40);
}

TEST_CASE("a large restore with a cache that is too small says so and goes on as without") {
    MemoryStorage device(MiB(8));
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = written_volume();
    FakeFetcher fetcher(large_image());
    SECTION("a network that fails leaves it half restored") {
        die_at_first_write(fetcher, *volume);
        REQUIRE_FALSE(restore(*volume, fetcher, cache).done.ok());
        CHECK(volume->log().record()->state == format::VolumeState::restoring);
        volume->journal.before_operation = nullptr;
        fetcher.before_range = nullptr;
        fetcher.fail_in.reset();
        REQUIRE(restore(*volume, fetcher, cache).done.ok());
    }
    SECTION("one that does not restores it") {
        const Run run = restore(*volume, fetcher, cache);
        REQUIRE(run.done.ok());
        CHECK(run.said.find("the cache has no room for all that is to be restored") != std::string::npos);
        // Nothing was fetched twice.
        CHECK(run.report.bytes_fetched < MiB(44));
    }
    require_done(*volume);
}

TEST_CASE("a cache that fails does not end a large restore") {
    MemoryStorage content(MiB(64));
    {
        store::Cache cache = store::Cache::open(content).value();
        put_all(cache, blocks(600, 60));
    }
    for (const std::uint64_t at : {300, 660, 670}) {
        MemoryStorage failing(content.content());
        store::Cache cache = store::Cache::open(failing).value();
        failing.fail_at(at, true);
        const auto volume = written_volume();
        FakeFetcher fetcher(large_image());
        REQUIRE(restore(*volume, fetcher, cache).done.ok());
        require_done(*volume);
    }
}

}  // namespace regild::volume
