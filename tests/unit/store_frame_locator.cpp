// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/frame_locator.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;

GoldenImage image_of(std::uint64_t count) {
    const BlockSize block_size = test::block_size_of(4096);
    return test::make_golden_image(block_size, block_size.bytes_of(Blocks(count)),
                                   [](std::uint64_t n) { return n % 10 == 9; });
}

Bytes asked_for(const FakeFetcher& fetcher) {
    Bytes sum;
    for (const FakeFetcher::Request& request : fetcher.requests)
        sum += request.length;
    return sum;
}

TEST_CASE("the frames of wanted blocks are found, and of scattered ones with few bytes") {
    const GoldenImage image = image_of(5000);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    FrameLocator locator(source, fetcher);
    const BlockSet wanted = test::set_of(Blocks(5000), {blocks(3, 1), blocks(1000, 1), blocks(4998, 1)});
    REQUIRE(locator.load(wanted).ok());
    for (const std::uint64_t n : {3, 1000, 4998})
        CHECK(locator.frame(BlockIndex(n)) == image.frame(n));
    CHECK(fetcher.requests.size() == 3);
    CHECK(asked_for(fetcher) == Bytes(3 * 104));
}

TEST_CASE("pages between two that are wanted are read when that costs less than a request") {
    const GoldenImage image = image_of(2000);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    FrameLocator locator(source, fetcher);
    REQUIRE(
        locator.load(test::set_of(Blocks(2000), {blocks(0, 1), blocks(6 * 32, 1), blocks(13 * 32, 1)})).ok());
    CHECK(fetcher.requests.size() == 2);
    CHECK(asked_for(fetcher) == Bytes((7 + 1) * 104));
    CHECK(locator.frame(BlockIndex(6 * 32)) == image.frame(6 * 32));
}

TEST_CASE("a page that is held is not asked for again, also after the network failed") {
    const GoldenImage image = image_of(5000);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    FrameLocator locator(source, fetcher);
    const BlockSet wanted = test::set_of(Blocks(5000), {blocks(0, 40), blocks(3000, 1)});
    fetcher.fail_in = 1;
    REQUIRE_FALSE(locator.load(wanted).ok());
    REQUIRE(locator.load(wanted).ok());
    REQUIRE(locator.load(test::set_of(Blocks(5000), {blocks(41, 1), blocks(3001, 2)})).ok());
    CHECK(asked_for(fetcher) == Bytes(3 * 104));
    CHECK(locator.frame(BlockIndex(3002)) == image.frame(3002));
}

TEST_CASE("an index that says of a wanted block what cannot be is no good") {
    GoldenImage image = image_of(100);
    const Source source = image.source();
    const std::size_t entry = 1 * 104 + 8 + 3 * 8;  // of block 40
    SECTION("no frame") {
        std::ranges::fill(std::span(image.index_file).subspan(entry, 3), std::byte{0});
    }
    SECTION("one that is too long") {
        image.index_file[entry + 1] = std::byte{0x20};
    }
    SECTION("one past the end of any file") {
        std::ranges::fill(std::span(image.index_file).subspan(104, 8), std::byte{0xff});
    }
    FakeFetcher fetcher(image);
    FrameLocator locator(source, fetcher);
    CHECK(locator.load(test::set_of(Blocks(100), {blocks(0, 2)})).ok());
    const Result<void> loaded = locator.load(test::set_of(Blocks(100), {blocks(0, 2), blocks(40, 1)}));
    REQUIRE_FALSE(loaded.ok());
    CHECK(loaded.error().kind == Failure::source);
    CHECK(loaded.error().message.find("has no frame there") != std::string::npos);
}

TEST_CASE("of what was held nothing is believed about other blocks") {
    GoldenImage image = image_of(100);
    const Source source = image.source();
    std::ranges::fill(std::span(image.index_file).subspan(8 + 3, 3), std::byte{0});  // block 1
    FakeFetcher fetcher(image);
    FrameLocator locator(source, fetcher);
    REQUIRE(locator.load(test::set_of(Blocks(100), {blocks(0, 1)})).ok());
    CHECK_FALSE(locator.load(test::set_of(Blocks(100), {blocks(1, 1)})).ok());
}

TEST_CASE("how long image.zst is the last page of its index says") {
    // The last block has a frame of its own, shares one of zeros, and is the first of it.
    for (const std::uint64_t count : {5000, 4999, 4960, 4961, 5}) {
        GoldenImage image = image_of(count);
        FakeFetcher fetcher(image);
        CHECK(frames_length(image.source(), fetcher).value() == Bytes(image.frames.size()));
        CHECK(asked_for(fetcher) == Bytes(104));
    }
    GoldenImage image = image_of(100);
    const std::size_t last_page = 3 * 104;
    SECTION("more than the frames of all blocks can be") {
        image.index_file[last_page + 3] = std::byte{1};
    }
    SECTION("more than any file can be") {
        std::ranges::fill(std::span(image.index_file).subspan(last_page, 8), std::byte{0xff});
    }
    FakeFetcher fetcher(image);
    CHECK(frames_length(image.source(), fetcher).error().kind == Failure::source);
}

}  // namespace
}  // namespace regild::store
