// SPDX-License-Identifier: GPL-2.0-or-later
// Restores with a cache: what it has is not fetched, and nothing of it is believed.
#include <catch2/catch.hpp>

#include "store/cached_blocks.hpp"
#include "volume/fill.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::image_of_300_blocks;
using test::make_golden_image;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::MemoryStorage;
using test::TestVolume;
using test::usual_session;

Result<RestoreReport> restore_with(store::Cache* cache, TestVolume& volume, const GoldenImage& image,
                                   net::Fetcher& fetcher) {
    const store::Source source = image.source();
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore({volume.log(), volume.data}, source, fetcher, observer, stop, {.cache = cache});
    if (Result<void> done = restore.attempt(); !done) return done.error();
    CHECK(observer.last_done == observer.last_total);
    return restore.report();
}

void require_done(TestVolume& volume, const GoldenImage& image) {
    REQUIRE(test::is_golden(volume.data.content(), image));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    REQUIRE(volume.log().record()->state == format::VolumeState::golden);
}

// A cache that was filled by a provisioning.
ByteVector filled_cache(const GoldenImage& image, Bytes size = MiB(4)) {
    MemoryStorage device(size);
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size()));
    FakeFetcher fetcher(image);
    REQUIRE(restore_with(&cache, *volume, image, fetcher).ok());
    require_done(*volume, image);
    return device.content();
}

Bytes frames_of(const GoldenImage& image, std::span<const BlockRange> ranges) {
    Bytes length;
    for (const BlockRange& range : ranges)
        for (BlockIndex block = range.first; block < range.end(); block = block + Blocks(1))
            if (std::ranges::any_of(image.block(block.value()),
                                    [](std::byte b) { return b != std::byte{0}; }))
                length += image.frame(block.value()).length;
    return length;
}

TEST_CASE("what a provisioning fetched a later restore has without a network") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(filled_cache(image));
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = make_session_volume(image, usual_session);
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    const Result<RestoreReport> report = restore_with(&cache, *volume, image, *offline);
    REQUIRE(report.ok());
    require_done(*volume, image);
    CHECK(report->from(store::cached_blocks).blocks == Blocks(7));
    CHECK(report->from(store::cached_blocks).frames == frames_of(image, usual_session));
    CHECK(report->zeroed == Blocks(8));
    CHECK(report->fetched == Blocks(0));
    CHECK(report->requests == 0);
}

TEST_CASE("a cache that cannot be read is said") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(filled_cache(image));
    store::Cache cache = store::Cache::open(device).value();
    const bool in_the_ring = GENERATE(true, false);
    const Bytes ring = cache.geometry().ring_offset();
    const Bytes table = cache.geometry().bucket_offset(0);
    if (in_the_ring)
        device.make_unreadable(ring, cache.geometry().ring_length());
    else
        device.make_unreadable(table, ring - table);
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    REQUIRE(restore_with(&cache, *volume, image, fetcher).ok());
    require_done(*volume, image);
    test::SilentObserver observer;
    tell_of_cache(cache, observer);
    REQUIRE(observer.events.size() == 1);
    CHECK(observer.events[0].find("the cache may be failing") != std::string::npos);
}

TEST_CASE("what the cache has is read once, however it is planned") {
    // More than three batches take of blocks that do not compress.
    const GoldenImage image =
        make_golden_image(test::block_size_of(65536), MiB(7), [](std::uint64_t) { return false; });
    MemoryStorage device(filled_cache(image, MiB(16)));
    store::Cache cache = store::Cache::open(device).value();
    const std::vector<BlockRange> session{blocks(0, 112)};
    const auto volume = make_session_volume(image, session);
    FakeFetcher fetcher(image);
    device.start_trace();
    const Result<RestoreReport> report = restore_with(&cache, *volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    CHECK(report->from(store::cached_blocks).blocks == Blocks(112));
    CHECK(std::ranges::count_if(device.trace(), [](const test::Operation& operation) {
              return operation.kind == test::Operation::Kind::read && operation.length >= KiB(64);
          }) == 112);
}

TEST_CASE("what the cache does not have is fetched, and then it has it") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    for (const bool first : {true, false}) {
        const std::vector<BlockRange> session{blocks(3, 2), blocks(first ? 100 : 101, 1)};
        const auto volume = make_session_volume(image, session);
        FakeFetcher fetcher(image);
        const Result<RestoreReport> report = restore_with(&cache, *volume, image, fetcher);
        REQUIRE(report.ok());
        require_done(*volume, image);
        CHECK(report->fetched == Blocks(first ? 3 : 1));
        CHECK(report->from(store::cached_blocks).blocks == Blocks(first ? 0 : 2));
        // The second time the tree is known; a page of the index and block 101 are not.
        if (!first) CHECK(fetcher.requests.size() == 2);
    }
}

TEST_CASE("a network that is missed has touched nothing, whatever the cache had") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    const std::vector<BlockRange> known{blocks(3, 2)};
    FakeFetcher fetcher(image);
    REQUIRE(restore_with(&cache, *make_session_volume(image, known), image, fetcher).ok());

    const auto volume = make_session_volume(image, usual_session);
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    const Result<RestoreReport> report = restore_with(&cache, *volume, image, *offline);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(volume->journal.entries.empty());
}

TEST_CASE("whatever the cache holds, a restore ends golden") {
    const GoldenImage image = image_of_300_blocks();
    const ByteVector filled = filled_cache(image);
    std::mt19937 random(3);  // NOLINT: the same in every run
    for (unsigned round = 0; round < 30; ++round) {
        ByteVector content = filled;
        // In the table and in the chunks; from the header on in some.
        for (unsigned damage = 0; damage < 200; ++damage)
            content[(round % 3 == 0 ? 0 : 12288) + random() % (1 << 20)] = static_cast<std::byte>(random());
        MemoryStorage device(content);
        store::Cache cache = store::Cache::open(device).value();
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        const Result<RestoreReport> report = restore_with(&cache, *volume, image, fetcher);
        REQUIRE(report.ok());
        require_done(*volume, image);
        // What was bad has been replaced.
        const auto again = make_session_volume(image, usual_session);
        const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
        REQUIRE(restore_with(&cache, *again, image, *offline).ok());
        require_done(*again, image);
    }
}

TEST_CASE("a hostile cache that swaps its chunks is believed nothing") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    codec::SaltedSha256 hash(image.manifest.salt);
    codec::Compressor compressor(1);
    ByteVector frame(codec::longest_frame(Bytes(4096)).count());
    // A frame of another block, a bomb, no frame.
    const auto put = [&](std::uint64_t block, ConstByteSpan chunk) {
        cache.put(hash(image.block(block)), chunk);
    };
    put(3, ConstByteSpan(frame).first(compressor.compress(image.block(4), frame).value().count()));
    put(4, compressor.compress_zeros(MiB(16)).value());
    put(18, ByteVector(500, std::byte{0x28}));
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = restore_with(&cache, *volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    CHECK(report->from(store::cached_blocks).blocks == Blocks(0));
    CHECK(report->fetched == Blocks(7));
}

TEST_CASE("a cache that breaks many promises costs few requests more") {
    // Of large blocks few are looked for together.
    const BlockSize block_size = test::block_size_of(GENERATE(4096, 65536));
    const GoldenImage image =
        make_golden_image(block_size, block_size.bytes_of(Blocks(300)), [](std::uint64_t) { return false; });
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    codec::SaltedSha256 hash(image.manifest.salt);
    for (std::uint64_t n = 60; n < 300; ++n)
        cache.put(hash(image.block(n)), ByteVector(500, std::byte{1}));
    const std::vector<BlockRange> session{blocks(0, 300)};
    const auto volume = make_session_volume(image, session);
    FakeFetcher fetcher(image);
    REQUIRE(restore_with(&cache, *volume, image, fetcher).ok());
    require_done(*volume, image);
    // The pages of blocks that were not promised, and once those of all.
    CHECK(std::ranges::count_if(fetcher.requests, [&](const FakeFetcher::Request& request) {
              return request.url == image.source().index_url.with_credentials();
          }) == 2);
    if (block_size == test::block_size_of(4096)) CHECK(fetcher.requests.size() < 15);
}

TEST_CASE("a cache whose device fails is gone on without") {
    const GoldenImage image = image_of_300_blocks();
    MemoryStorage device(filled_cache(image));
    for (std::uint64_t at = 1; at < 40; ++at) {
        MemoryStorage failing(device.content());
        store::Cache cache = store::Cache::open(failing).value();
        failing.fail_at(at, true);
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        REQUIRE(restore_with(&cache, *volume, image, fetcher).ok());
        require_done(*volume, image);
    }
}

TEST_CASE("a cache is filled with a whole version, and goes on where it was cut off") {
    const GoldenImage image = image_of_300_blocks();
    const store::Source source = image.source();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    test::SilentObserver observer;
    StopFlag stop;
    FakeFetcher fetcher(image);
    fetcher.fail_in = 2 + 1 + 3;  // the last one for data is of four blocks
    REQUIRE_FALSE(fill_cache(source, fetcher, cache, observer, stop).ok());
    const std::size_t asked = fetcher.requests.size();
    fetcher.fail_in.reset();
    const Result<FillReport> filled = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE(filled.ok());
    CHECK(filled->whole);
    CHECK(filled->wanted == Blocks(260));
    CHECK(filled->fetched > Blocks(100));
    CHECK(filled->fetched < Blocks(200));
    CHECK(fetcher.requests.size() - asked < asked + 2);
    CHECK(observer.last_done == observer.last_total);

    const std::size_t asked_in_all = fetcher.requests.size();
    const Result<FillReport> again = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE(again.ok());
    CHECK(again->fetched == Blocks(0));
    CHECK(fetcher.requests.size() == asked_in_all);
    const std::vector<BlockRange> session{blocks(0, 300)};
    const auto volume = make_session_volume(image, session);
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    REQUIRE(restore_with(&cache, *volume, image, *offline).ok());
    require_done(*volume, image);
}

TEST_CASE("a fill that takes the place of what it found says so, or goes on until all is there") {
    const BlockSize block_size = test::block_size_of(4096);
    const GoldenImage image = make_golden_image(block_size, MiB(3), [](std::uint64_t) { return false; });
    const store::Source source = image.source();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    // A third of the version, then as much that is of no use.
    codec::SaltedSha256 hash(image.manifest.salt);
    for (std::uint64_t n = 0; n < 256; ++n)
        cache.put(hash(image.block(n)),
                  ConstByteSpan(image.frames)
                      .subspan(image.frame(n).offset.count(), image.frame(n).length.count()));
    for (std::uint64_t n = 0; n < 256; ++n) {
        Digest other{};
        std::memcpy(other.data(), &n, sizeof n);
        cache.put(other, ByteVector(4096));
    }
    test::SilentObserver observer;
    StopFlag stop;
    FakeFetcher fetcher(image);
    const Result<FillReport> filled = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE(filled.ok());
    REQUIRE(filled->whole);
    const std::vector<BlockRange> session{blocks(0, 768)};
    const auto volume = make_session_volume(image, session);
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    REQUIRE(restore_with(&cache, *volume, image, *offline).ok());

    // Nothing is to be done: nothing is written, and a stop is heeded.
    device.start_trace();
    CHECK(fill_cache(source, fetcher, cache, observer, stop)->fetched == Blocks(0));
    for (const test::Operation& operation : device.trace())
        CHECK(operation.kind == test::Operation::Kind::read);
    stop.request();
    CHECK_FALSE(fill_cache(source, fetcher, cache, observer, stop).ok());
}

TEST_CASE("a cache that is too small is filled no further than it keeps, with nothing wrong in it") {
    const BlockSize block_size = test::block_size_of(4096);
    GoldenImage image = make_golden_image(block_size, MiB(16), [](std::uint64_t) { return false; });
    const store::Source source = image.source();
    MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    test::SilentObserver observer;
    const StopFlag stop;
    FakeFetcher fetcher(image);
    // An index that says less than there is does no harm.
    const std::size_t last_page = image.index_file.size() - format::index_page_size;
    std::ranges::fill(std::span(fetcher.files[source.index_url.with_credentials()]).subspan(last_page, 8),
                      std::byte{0});
    const Result<FillReport> filled = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE(filled.ok());
    CHECK_FALSE(filled->whole);
    CHECK(filled->fetched < Blocks(2000));

    FakeFetcher lying(image);
    lying.files = fetcher.files;
    std::ranges::fill(lying.files[source.data_url.with_credentials()], std::byte{7});
    store::Cache empty = store::Cache::open(device).value();
    empty.drop();
    const Result<FillReport> refused = fill_cache(source, lying, empty, observer, stop);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::source);
}

TEST_CASE("a version that does not fit the cache is not fetched, and what sessions ask for stays") {
    const BlockSize block_size = test::block_size_of(4096);
    const GoldenImage image =
        make_golden_image(block_size, MiB(16), [](std::uint64_t n) { return n % 64 == 63; });
    const store::Source source = image.source();
    MemoryStorage device(MiB(2));
    std::vector<BlockRange> session{blocks(0, 60)};
    for (std::uint64_t at = 1000; at < 2000; at += 20)
        session.push_back(blocks(at, 1));
    {
        store::Cache cache = store::Cache::open(device).value();
        FakeFetcher fetcher(image);
        REQUIRE(restore_with(&cache, *make_session_volume(image, session), image, fetcher).ok());
    }
    const ByteVector before = device.content();
    for (int times = 0; times < 2; ++times) {
        store::Cache cache = store::Cache::open(device).value();
        FakeFetcher fetcher(image);
        test::SilentObserver observer;
        const StopFlag stop;
        const Result<FillReport> filled = fill_cache(source, fetcher, cache, observer, stop);
        REQUIRE_FALSE(filled.ok());
        CHECK(filled.error().kind == Failure::refused);
        CHECK(filled.error().message.find("image.zst of version 1, 15.8 MiB, does not fit the cache, of "
                                          "which 1.8 MiB can be filled") != std::string::npos);
        REQUIRE(fetcher.requests.size() == 1);
        CHECK(fetcher.requests[0].url == source.index_url.with_credentials());
        CHECK(fetcher.requests[0].length == Bytes(format::index_page_size));
        CHECK(device.content() == before);
    }
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = make_session_volume(image, session);
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    REQUIRE(restore_with(&cache, *volume, image, *offline).ok());
    require_done(*volume, image);
}

TEST_CASE("a version that fits only when it is compressed is fetched") {
    // A quarter of it is not zero, and the rest is no frame.
    const GoldenImage image =
        make_golden_image(test::block_size_of(4096), MiB(16), [](std::uint64_t n) { return n % 64 >= 16; });
    MemoryStorage device(MiB(8));
    store::Cache cache = store::Cache::open(device).value();
    FakeFetcher fetcher(image);
    test::SilentObserver observer;
    const StopFlag stop;
    CHECK(fill_cache(image.source(), fetcher, cache, observer, stop)->whole);
    CHECK(std::ranges::count_if(fetcher.requests, [](const FakeFetcher::Request& request) {
              return request.length == Bytes(format::index_page_size);
          }) == 1);
    // Where all of it is there already nobody is asked whether it fits.
    const std::unique_ptr<net::Fetcher> offline = test::offline_fetcher();
    CHECK(fill_cache(image.source(), *offline, cache, observer, stop)->whole);
}

TEST_CASE("a cache far smaller than the image serves what sessions keep asking for") {
    const BlockSize block_size = test::block_size_of(4096);
    const GoldenImage image =
        make_golden_image(block_size, MiB(16), [](std::uint64_t n) { return n % 64 == 63; });
    MemoryStorage device(filled_cache(image, MiB(2)));
    // What each session touches, and something of its own.
    for (std::uint64_t n = 0; n < 4; ++n) {
        std::vector<BlockRange> session{blocks(0, 60), blocks(100 + 100 * n, 10)};
        for (std::uint64_t at = 1000; at < 2000; at += 20)
            session.push_back(blocks(at, 1));
        store::Cache cache = store::Cache::open(device).value();
        const auto volume = make_session_volume(image, session);
        FakeFetcher fetcher(image);
        const Result<RestoreReport> report = restore_with(&cache, *volume, image, fetcher);
        REQUIRE(report.ok());
        require_done(*volume, image);
        if (n > 0) CHECK(report->fetched <= Blocks(10));
    }
}

}  // namespace
}  // namespace regild::volume
