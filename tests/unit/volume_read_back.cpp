// SPDX-License-Identifier: GPL-2.0-or-later
// Disks that forget what was written to them.
#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using format::VolumeState;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::TestVolume;

// Says of writes to one block, so many times, that they are done, and does nothing.
class ForgetfulDisk final : public block::Storage {
  public:
    ForgetfulDisk(block::Storage& disk, Bytes forgets, unsigned times)
        : disk_(disk), forgets_(forgets), times_(times) {}
    const std::string& name() const override { return disk_.name(); }
    Bytes size() const override { return disk_.size(); }
    Bytes alignment() const override { return disk_.alignment(); }
    Result<void> read(Bytes offset, ByteSpan into) override { return disk_.read(offset, into); }
    Result<void> write(Bytes offset, ConstByteSpan from) override {
        return is_forgotten(offset, Bytes(from.size())) ? Result<void>() : disk_.write(offset, from);
    }
    Result<void> zero(Bytes offset, Bytes length) override {
        return is_forgotten(offset, length) ? Result<void>() : disk_.zero(offset, length);
    }
    Result<void> flush() override { return disk_.flush(); }

  private:
    bool is_forgotten(Bytes offset, Bytes length) {
        if (times_ == 0 || offset > forgets_ || offset + length <= forgets_) return false;
        --times_;
        return true;
    }
    block::Storage& disk_;
    Bytes forgets_;
    unsigned times_;
};

// A session wrote to blocks 3, 4, 30 (zero in the image) and 299, the last one.
struct Restored {
    Restored(unsigned times, std::uint64_t block, bool read_back = true)
        : disk(volume->data, Bytes(block * 4096), times),
          restore({volume->log(), disk}, source, fetcher, observer, stop, {}, {.read_back = read_back}),
          done(restore.attempt()) {}

    GoldenImage image = test::image_of_300_blocks();
    store::Source source = image.source();
    std::unique_ptr<TestVolume> volume =
        test::make_session_volume(image, std::vector{blocks(3, 2), blocks(30, 1), blocks(299, 1)});
    FakeFetcher fetcher{image};
    test::SilentObserver observer;
    StopFlag stop;
    ForgetfulDisk disk;
    Restore restore;
    Result<void> done;
};

}  // namespace

TEST_CASE("what a disk forgets once is written once more") {
    Restored restored(1, GENERATE(4, 30, 299));
    REQUIRE(restored.done.ok());
    CHECK(test::is_golden(restored.volume->data.content(), restored.image));
    CHECK(restored.volume->bitmap().marked() == Blocks(0));
    CHECK(restored.volume->log().record()->state == VolumeState::golden);
    const RestoreReport report = restored.restore.report();
    CHECK(report.rewritten > Blocks(0));
    CHECK(report.read_back == Blocks(4) + report.rewritten);
}

TEST_CASE("a disk that forgets twice fails the restore, and its blocks stay marked") {
    Restored restored(2, 4);
    REQUIRE_FALSE(restored.done.ok());
    CHECK(restored.done.error().kind == Failure::disk);
    CHECK(restored.done.error().message.find("the disk is failing") != std::string::npos);
    CHECK(restored.volume->log().record()->state == VolumeState::restoring);
    CHECK(test::marks_of(restored.volume->log()).test(BlockIndex(4)));
}

TEST_CASE("only what was written is read back, and only where that is wanted") {
    SECTION("a disk that keeps all") {
        Restored restored(0, 0);
        REQUIRE(restored.done.ok());
        CHECK(restored.restore.report().read_back == Blocks(4));
        CHECK(restored.restore.report().rewritten == Blocks(0));
    }
    SECTION("not wanted") {
        Restored restored(1, 4, false);
        REQUIRE(restored.done.ok());
        CHECK(restored.restore.report().read_back == Blocks(0));
        CHECK_FALSE(test::is_golden(restored.volume->data.content(), restored.image));
    }
}

}  // namespace regild::volume
