// SPDX-License-Identifier: GPL-2.0-or-later
// Requests that read through what lies between the frames of marked blocks.
#include <algorithm>
#include <catch2/catch.hpp>

#include "volume/fill.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::Attempts;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::image_of_300_blocks;
using test::is_golden;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::TestVolume;

// Blocks 20 to 59 are zero. So their frames are short: twelve are read through, all forty are not.
constexpr std::uint64_t few_zeros = 12;

GoldenImage image_with_few_zeros() {
    return test::make_golden_image(test::block_size_of(4096), Bytes(300 * 4096),
                                   [](std::uint64_t n) { return n >= 20 && n < 20 + few_zeros; });
}

// What was asked for of image.zst, in ascending order.
std::vector<format::Frame> data_requests(const FakeFetcher& fetcher, const GoldenImage& image) {
    std::vector<format::Frame> requests;
    for (const FakeFetcher::Request& request : fetcher.requests)
        if (request.url == image.source().data_url.with_credentials())
            requests.push_back({request.offset, request.length});
    std::ranges::sort(requests, {}, &format::Frame::offset);
    return requests;
}

format::Frame from_to(const GoldenImage& image, std::uint64_t first, std::uint64_t last) {
    const Bytes offset = image.frame(first).offset;
    return {offset, image.frame(last).end() - offset};
}

BlockSet written_blocks(const TestVolume& volume, const GoldenImage& image) {
    BlockSet written(image.manifest.blocks());
    for (const test::Journal::Entry& entry : volume.journal.entries)
        if (!entry.to_log && entry.operation.kind != test::Operation::Kind::flush)
            written.insert({BlockIndex(entry.operation.offset.count() / 4096),
                            Blocks(entry.operation.length.count() / 4096)});
    return written;
}

}  // namespace

TEST_CASE("blocks with few zeros between them are one request, and nothing between them is written") {
    const GoldenImage image = image_with_few_zeros();
    // The second time the zeros are not marked.
    const bool zeros_marked = GENERATE(true, false);
    std::vector<BlockRange> session{blocks(18, 2), blocks(20 + few_zeros, 3)};
    if (zeros_marked) session = {blocks(18, few_zeros + 5)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    REQUIRE(run.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(volume->bitmap().marked() == Blocks(0));
    BlockSet marked(image.manifest.blocks());
    for (const BlockRange& range : session)
        marked.insert(range);
    CHECK(written_blocks(*volume, image) == marked);
    CHECK(data_requests(run.fetcher, image) ==
          std::vector<format::Frame>{from_to(image, 18, 20 + few_zeros + 2)});
    const RestoreReport report = run.restore.report();
    CHECK(report.fetched == Blocks(5));
    CHECK(report.zeroed == Blocks(zeros_marked ? few_zeros : 0));
    CHECK(run.observer.last_done == run.observer.last_total);
    CHECK(run.observer.last_total == Bytes(marked.count().count() * 4096));
}

TEST_CASE("what is more than a request takes is not read through") {
    const GoldenImage image = image_of_300_blocks();
    REQUIRE(image.frame(60).offset - image.frame(19).end() > net::request_overhead);
    const std::vector<BlockRange> session{blocks(18, 43), blocks(62, 1)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    REQUIRE(run.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(data_requests(run.fetcher, image) ==
          std::vector<format::Frame>{from_to(image, 18, 19), from_to(image, 60, 60), from_to(image, 62, 62)});
}

TEST_CASE("wrong bytes between frames do no harm") {
    const GoldenImage image = image_with_few_zeros();
    const std::vector<BlockRange> session{blocks(18, few_zeros + 5)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    const Bytes begin = image.frame(19).end();
    const Bytes end = image.frame(20 + few_zeros).offset;
    std::fill_n(run.file().begin() + static_cast<std::ptrdiff_t>(begin.count()), (end - begin).count(),
                std::byte{0x5a});
    REQUIRE(run.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(data_requests(run.fetcher, image).size() == 1);
}

TEST_CASE("of a request that is partly wrong what is right is kept, and the rest is asked for by itself") {
    const GoldenImage image = image_with_few_zeros();
    // In memory before the first write, or written as it comes.
    const bool provisioning = GENERATE(false, true);
    const bool first_is_wrong = GENERATE(false, true);
    std::unique_ptr<TestVolume> volume;
    if (provisioning) {
        volume = make_provisioning_volume(image, ByteVector(image.padded.size(), std::byte{9}));
        const std::vector<BlockRange> others{blocks(0, 18), blocks(23 + few_zeros, 277 - few_zeros)};
        REQUIRE(volume->bitmap().clear(others).ok());
        for (const BlockRange& range : others) {
            const Bytes at(range.first.value() * 4096);
            const ConstByteSpan golden =
                ConstByteSpan(image.padded).subspan(at.count(), range.count.count() * 4096);
            volume->data.memory().overwrite(at, {golden.begin(), golden.end()});
        }
    } else {
        volume = make_session_volume(image, std::vector{blocks(18, few_zeros + 5)});
    }
    Attempts run(*volume, image);
    const std::uint64_t wrong = first_is_wrong ? 19 : 20 + few_zeros;
    std::byte& byte = run.file()[image.frame(wrong).offset.count() + 50];
    byte ^= std::byte{1};
    const Result<void> failed = run.restore.attempt();
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().kind == Failure::source);
    CHECK(failed.error().message.find("block " + std::to_string(wrong)) != std::string::npos);
    if (provisioning) {
        const BlockRange left = first_is_wrong ? blocks(18, 2) : blocks(20 + few_zeros, 3);
        CHECK(volume->bitmap().marked() == left.count);
        CHECK(test::marks_of(volume->log()).count(left) == left.count);
    } else {
        CHECK(volume->journal.entries.empty());
    }
    byte ^= std::byte{1};
    REQUIRE(run.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(volume->bitmap().marked() == Blocks(0));
    CHECK(run.restore.report().fetched == Blocks(5));
    const format::Frame both = from_to(image, 18, 22 + few_zeros);
    const format::Frame rest =
        first_is_wrong ? from_to(image, 18, 19) : from_to(image, 20 + few_zeros, 22 + few_zeros);
    for (const format::Frame& request : data_requests(run.fetcher, image))
        CHECK((request == both || request == rest));
    CHECK(data_requests(run.fetcher, image).size() == 3);
    CHECK(run.observer.last_done == run.observer.last_total);
    CHECK(run.observer.times_at_total == 1);
}

TEST_CASE("a network that fails where a request brings several steps costs that request") {
    const GoldenImage image = image_with_few_zeros();
    const auto volume = make_session_volume(image, std::vector{blocks(18, few_zeros + 5), blocks(200, 1)});
    Attempts run(*volume, image);
    run.fetcher.fail_in = 3 + 1;  // behind tree, index and block 200
    REQUIRE_FALSE(run.restore.attempt().ok());
    CHECK(volume->journal.entries.empty());
    run.fetcher.fail_in.reset();
    REQUIRE(run.restore.attempt().ok());
    CHECK(is_golden(volume->data.content(), image));
    CHECK(data_requests(run.fetcher, image) ==
          std::vector<format::Frame>{from_to(image, 18, 22 + few_zeros), from_to(image, 200, 200)});
}

TEST_CASE("what is read between frames counts as what is to be fetched") {
    const GoldenImage image = image_with_few_zeros();
    const std::vector<BlockRange> session{blocks(18, 2), blocks(20 + few_zeros, 3)};
    const store::Source source = image.source();
    const auto fetch_at_most = [&](Bytes most) {
        const auto volume = make_session_volume(image, session);
        FakeFetcher fetcher(image);
        test::SilentObserver observer;
        const StopFlag stop;
        Restore restore({volume->log(), volume->data}, source, fetcher, observer, stop, {},
                        {.max_fetch = most});
        Result<void> done = restore.attempt();
        // Told before it is asked for.
        if (!done) CHECK(done.error().message.find("nothing was written") != std::string::npos);
        return done.ok() ? std::optional(restore.report().bytes_fetched) : std::nullopt;
    };
    const std::optional<Bytes> all = fetch_at_most(MiB(100));
    REQUIRE(all);
    CHECK(fetch_at_most(*all) == all);
    CHECK_FALSE(fetch_at_most(*all - Bytes(1)));
}

TEST_CASE("a cache is filled by requests that read through gaps, and gets nothing of what is wrong") {
    const GoldenImage image = image_with_few_zeros();
    const store::Source source = image.source();
    test::MemoryStorage device(MiB(4));
    store::Cache cache = store::Cache::open(device).value();
    FakeFetcher fetcher(image);
    test::SilentObserver observer;
    const StopFlag stop;
    codec::SaltedSha256 hash(image.manifest.salt);
    const auto has = [&](std::uint64_t block) { return cache.has(hash(image.block(block))); };
    const format::Frame wrong = image.frame(20 + few_zeros);
    ByteVector& file = fetcher.files[source.data_url.with_credentials()];
    std::byte& byte = file[wrong.offset.count() + 50];
    byte ^= std::byte{1};
    const Result<FillReport> refused = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::source);
    CHECK(has(19));
    const ConstByteSpan wrong_frame = ByteSpan(file).subspan(wrong.offset.count(), wrong.length.count());
    const ByteVector& kept = device.content();
    CHECK(std::search(kept.begin(), kept.end(), wrong_frame.begin(), wrong_frame.end()) == kept.end());
    byte ^= std::byte{1};
    const Result<FillReport> filled = fill_cache(source, fetcher, cache, observer, stop);
    REQUIRE(filled.ok());
    CHECK(filled->whole);
    CHECK(has(20 + few_zeros));
    CHECK(filled->wanted == Blocks(300 - few_zeros));
    CHECK(observer.last_done == observer.last_total);

    cache.drop();
    FakeFetcher other(image);
    REQUIRE(fill_cache(source, other, cache, observer, stop)->whole);
    CHECK(data_requests(other, image).front().end() > image.frame(20 + few_zeros).end());
}

}  // namespace regild::volume
