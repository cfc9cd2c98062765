// SPDX-License-Identifier: GPL-2.0-or-later
// Restore is cut off at every operation, and its power is cut at every operation with every mixture of what
// disk and log may have kept of the writes that were not flushed. Each state must tell the truth about
// itself, and a second run must finish from it.
#include <catch2/catch.hpp>

#include "power_cut.hpp"
#include "volume/restore.hpp"
#include "volume/update.hpp"

namespace regild::volume {
namespace {

using format::VolumeState;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::is_golden;
using test::make_golden_image;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::TestVolume;

constexpr std::size_t block_bytes = 4096;

// Small, so that every state can be looked at: 24 blocks, the last one short, some of them zero.
GoldenImage small_image() {
    return make_golden_image(test::block_size_of(block_bytes), Bytes(23 * block_bytes + 512),
                             [](std::uint64_t n) { return n >= 8 && n < 12; });
}

const std::vector<BlockRange> session{blocks(2, 3), blocks(7, 3), blocks(22, 2)};

Result<RestoreReport> run_restore(TestVolume& volume, const GoldenImage& image) {
    FakeFetcher fetcher(image);
    test::SilentObserver observer;
    return test::restore_once({volume.log(), volume.data}, image, fetcher, observer);
}

// What a boot after the power cut would find.
void check_state(const ByteVector& disk, const ByteVector& log, const ByteVector& disk_before,
                 const GoldenImage& image) {
    TestVolume volume(disk, log);
    REQUIRE(volume.log_store);
    const ConstByteSpan golden = image.unpadded();
    const BlockSet marks = test::marks_of(volume.log());
    for (std::uint64_t n = 0; n < image.manifest.blocks().count(); ++n) {
        const std::size_t begin = n * block_bytes;
        const std::size_t length = std::min(block_bytes, golden.size() - begin);
        const bool right = std::memcmp(disk.data() + begin, golden.data() + begin, length) == 0;
        if (!right && !marks.test(BlockIndex(n)))
            FAIL("block " << n << " differs from golden and is not marked");
    }
    REQUIRE(volume.log().record());
    // Half restored, it says so (invariant 9).
    if (volume.log().record()->state == VolumeState::golden)
        REQUIRE((disk == disk_before || is_golden(disk, image)));
    REQUIRE(run_restore(volume, image).ok());
    REQUIRE(is_golden(volume.data.content(), image));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    REQUIRE(volume.log().record()->state == VolumeState::golden);
}

// Cuts the power after every operation of a restore of `volume`.
void cut_power_everywhere(TestVolume& volume, const GoldenImage& image) {
    const ByteVector disk_before = volume.data.content();
    test::for_each_power_cut(
        volume, [&] { REQUIRE(run_restore(volume, image).ok()); },
        [&](const ByteVector& disk, const ByteVector& log) { check_state(disk, log, disk_before, image); });
}

TEST_CASE("a power cut at any operation of a restore is told by the marks and the record") {
    const GoldenImage image = small_image();
    const auto volume = make_session_volume(image, session);
    cut_power_everywhere(*volume, image);
}

TEST_CASE("a power cut at any operation of a provisioning is told by the marks and the record") {
    const GoldenImage image = small_image();
    const auto volume = make_provisioning_volume(image, ByteVector(24 * block_bytes, std::byte{0x55}));
    cut_power_everywhere(*volume, image);
}

TEST_CASE("a power cut at any operation on a disk of unknown content is told by the marks and the record") {
    const GoldenImage image = small_image();
    const ConstByteSpan golden = image.unpadded();
    ByteVector disk(golden.begin(), golden.end());
    for (const std::size_t n : {1, 9, 23})
        disk[n * block_bytes] ^= std::byte{1};
    const auto volume = make_provisioning_volume(image, disk, true);
    cut_power_everywhere(*volume, image);
}

// A process that is killed leaves what it wrote in the caches, where the next one reads it. That one looks at
// all blocks (`"trust": "hash"`), and must not count as durable what it finds right.
TEST_CASE("a power cut at any operation of a boot that hashes what a killed one wrote is told by the marks") {
    const GoldenImage image = small_image();
    for (std::uint64_t survive = 1;; ++survive) {
        const auto volume = make_session_volume(image, session);
        const ByteVector disk_before = volume->data.content();
        bool killed = false;
        const auto run = [&] {
            volume->journal.fail_in = survive;
            killed = !run_restore(*volume, image).ok();
            volume->journal.fail_in.reset();
            volume->log_store.emplace(test::opened(volume->log_device));
            REQUIRE(mark_all_unknown(volume->log()).ok());
            REQUIRE(run_restore(*volume, image).ok());
        };
        test::for_each_power_cut(*volume, run, [&](const ByteVector& disk, const ByteVector& log) {
            check_state(disk, log, disk_before, image);
        });
        if (!killed) break;
        REQUIRE(survive < 100);
    }
}

// Each operation fails, with all that follow, as when a cable is pulled; then the same process tries again,
// and a new one opens what was left.
void fail_everywhere(const std::function<std::unique_ptr<TestVolume>()>& make, const GoldenImage& image) {
    for (std::uint64_t survive = 0;; ++survive) {
        const auto volume = make();
        const ByteVector disk_before = volume->data.content();
        volume->journal.fail_in = survive;
        const Result<RestoreReport> report = run_restore(*volume, image);
        if (report.ok()) {
            REQUIRE(survive > 6);
            return;
        }
        REQUIRE(report.error().kind == Failure::disk);
        check_state(volume->data.content(), volume->log_device.content(), disk_before, image);
        volume->journal.fail_in.reset();
        REQUIRE(run_restore(*volume, image).ok());
        REQUIRE(is_golden(volume->data.content(), image));
    }
}

TEST_CASE("a restore that fails at any operation goes on when it is run again") {
    const GoldenImage image = small_image();
    fail_everywhere([&] { return make_session_volume(image, session); }, image);
}

TEST_CASE("a provisioning that fails at any operation goes on when it is run again") {
    const GoldenImage image = small_image();
    fail_everywhere([&] { return make_provisioning_volume(image, ByteVector(24 * block_bytes)); }, image);
}

}  // namespace
}  // namespace regild::volume
