// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/verify.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::make_golden_image;
using test::make_session_volume;
using test::TestVolume;

GoldenImage usual_image() {
    return make_golden_image(test::block_size_of(4096), Bytes(999 * 4096 + 512),
                             [](std::uint64_t n) { return n >= 20 && n < 60; });
}

void flip_bit(TestVolume& volume, std::size_t at) {
    const std::byte flipped = volume.data.content()[at] ^ std::byte{1};
    volume.data.memory().overwrite(Bytes(at), {&flipped, 1});
}

Result<VerifyReport> run_verify(TestVolume& volume, const GoldenImage& image, FakeFetcher& fetcher,
                                const StopFlag& stop = StopFlag()) {
    test::SilentObserver observer;
    const store::Source source = image.source();
    return verify({volume.log(), volume.data}, source, fetcher, observer, stop);
}

TEST_CASE("a golden disk verifies, and neither disk nor log is written") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    FakeFetcher fetcher(image);
    const Result<VerifyReport> report = run_verify(*volume, image, fetcher);
    REQUIRE(report.ok());
    REQUIRE(report->checked == Blocks(1000));
    REQUIRE(report->newly_marked == Blocks(0));
    REQUIRE(volume->journal.entries.empty());
}

TEST_CASE("a flipped bit marks exactly its block") {
    const GoldenImage image = usual_image();
    for (const std::uint64_t wrong : {0, 30, 511, 999}) {
        const auto volume = make_session_volume(image, {});
        flip_bit(*volume, wrong * 4096 + 100);
        FakeFetcher fetcher(image);
        const Result<VerifyReport> report = run_verify(*volume, image, fetcher);
        REQUIRE(report.ok());
        REQUIRE(report->newly_marked == Blocks(1));
        BlockSet expected(Blocks(1000));
        expected.insert(blocks(wrong, 1));
        REQUIRE(test::marks_of(volume->log()) == expected);
    }
}

TEST_CASE("marked blocks stay marked and are not counted again") {
    const GoldenImage image = usual_image();
    const std::vector<BlockRange> dirty{blocks(10, 5)};
    const auto volume = make_session_volume(image, dirty);
    flip_bit(*volume, 500 * 4096);
    FakeFetcher fetcher(image);
    const Result<VerifyReport> report = run_verify(*volume, image, fetcher);
    REQUIRE(report.ok());
    REQUIRE(report->marked_before == Blocks(5));
    REQUIRE(report->newly_marked == Blocks(1));
    REQUIRE(volume->bitmap().marked() == Blocks(6));
}

TEST_CASE("a wrong block below a log sector that cannot be trusted gets its mark on the log") {
    const GoldenImage image = usual_image();
    const auto clean_volume = make_session_volume(image, {});
    ByteVector log = clean_volume->log_device.content();
    log[65536 + 100] ^= std::byte{1};
    TestVolume volume(clean_volume->data.content(), log);
    flip_bit(volume, 500 * 4096);
    FakeFetcher fetcher(image);
    const Result<VerifyReport> report = run_verify(volume, image, fetcher);
    REQUIRE(report.ok());
    CHECK(report->marked_before == Blocks(1000));  // the whole log sector
    CHECK(report->newly_marked == Blocks(0));
    const log::WriteLog reopened = **log::WriteLog::open(volume.log_device);
    REQUIRE(reopened.bitmap().untrusted() == Blocks(0));
    REQUIRE(test::marks_of(reopened).test(BlockIndex(500)));
}

TEST_CASE("verify fetches the tree and no data") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    FakeFetcher fetcher(image);
    REQUIRE(run_verify(*volume, image, fetcher).ok());
    for (const FakeFetcher::Request& request : fetcher.requests)
        REQUIRE(request.url == image.source().tree_url.with_credentials());
}

TEST_CASE("a block that cannot be read is marked, and no other") {
    const GoldenImage image = usual_image();
    const std::vector<BlockRange> dirty{blocks(999, 1)};
    const auto volume = make_session_volume(image, dirty);
    volume->data.memory().make_unreadable(Bytes(700 * 4096 + 1024), Bytes(512));
    volume->data.memory().make_unreadable(Bytes(999 * 4096), Bytes(512));  // marked already
    flip_bit(*volume, 703 * 4096);
    FakeFetcher fetcher(image);
    const Result<VerifyReport> report = run_verify(*volume, image, fetcher);
    REQUIRE(report.ok());
    CHECK(report->checked == Blocks(1000));
    CHECK(report->newly_marked == Blocks(2));
    CHECK(report->unreadable == Blocks(2));
    BlockSet expected(Blocks(1000));
    for (const std::uint64_t block : {700, 703, 999})
        expected.insert(blocks(block, 1));
    CHECK(test::marks_of(volume->log()) == expected);
}

TEST_CASE("a read error that is gone when it is tried again marks nothing") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    volume->data.memory().make_unreadable(Bytes(700 * 4096), Bytes(512));
    volume->data.memory().heal_after(1);
    FakeFetcher fetcher(image);
    const Result<VerifyReport> report = run_verify(*volume, image, fetcher);
    REQUIRE(report.ok());
    CHECK(report->unreadable == Blocks(0));
    CHECK(volume->bitmap().marked() == Blocks(0));
}

TEST_CASE("a stop request ends verify") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    FakeFetcher fetcher(image);
    StopFlag stop;
    stop.request();
    const Result<VerifyReport> report = run_verify(*volume, image, fetcher, stop);
    REQUIRE_FALSE(report.ok());
    REQUIRE(report.error().kind == Failure::interrupted);
}

}  // namespace
}  // namespace regild::volume
