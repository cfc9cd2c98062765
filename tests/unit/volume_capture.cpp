// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/capture.hpp"

#include "files.hpp"
#include "power_cut.hpp"
#include "publish/delta_reader.hpp"
#include "temporary_directory.hpp"

namespace regild::volume {
namespace {

namespace fs = std::filesystem;
using format::VolumeState;
using test::blocks;
using test::GoldenImage;
using test::usual_session;

// A golden volume on which a session wrote, the last block too, which is not whole.
class Master {
  public:
    Master() : volume(test::make_session_volume(image, usual_session)), fetcher(image) {}

    Result<CaptureReport> capture(std::uint64_t version = 2) {
        return volume::capture({volume->log(), volume->data}, source, fetcher, nullptr, {delta, version, 1},
                               observer, stop);
    }
    // What the disk holds, as an image.
    GoldenImage captured_image() const {
        GoldenImage captured = image;
        std::ranges::copy(ConstByteSpan(volume->data.content()).first(image.manifest.size.count()),
                          captured.padded.begin());
        captured.manifest.version = 2;
        captured.make_tree();
        return captured;
    }
    void set_record(const std::function<void(format::ImageRecord&)>& change) {
        format::ImageRecord record = *volume->log().record();
        change(record);
        REQUIRE(volume->log().write_record(record).ok());
    }
    bool left_nothing() const { return fs::is_empty(directory.path()); }

    test::TemporaryDirectory directory;
    fs::path delta = directory / "2.delta";
    GoldenImage image = test::image_of_300_blocks();
    store::Source source = image.source();
    std::unique_ptr<test::TestVolume> volume;
    test::FakeFetcher fetcher;
    test::SilentObserver observer;
    StopFlag stop;
};

// A disk that tells which ranges were read, and cannot read from one offset on.
class WatchedDisk final : public block::Storage {
  public:
    explicit WatchedDisk(block::Storage& disk) : disk_(disk) {}
    const std::string& name() const override { return disk_.name(); }
    Bytes size() const override { return disk_.size(); }
    Bytes alignment() const override { return disk_.alignment(); }
    Result<void> read(Bytes offset, ByteSpan into) override {
        if (bad_from && offset + Bytes(into.size()) > *bad_from) return Error{Failure::disk, "cannot read"};
        bytes_read += Bytes(into.size());
        return disk_.read(offset, into);
    }
    Result<void> write(Bytes, ConstByteSpan) override { throw std::runtime_error("a write"); }
    Result<void> zero(Bytes, Bytes) override { throw std::runtime_error("a write"); }
    Result<void> flush() override { return disk_.flush(); }
    Bytes bytes_read;
    std::optional<Bytes> bad_from;

  private:
    block::Storage& disk_;
};

}  // namespace

TEST_CASE_METHOD(Master, "a capture leads to what is on the disk, and is of the marked blocks that changed") {
    // A mark without a change, and one block to zeros.
    const BlockRange unchanged = blocks(100, 1);
    REQUIRE(volume->bitmap().mark({&unchanged, 1}).ok());
    const BlockRange zeroed = blocks(200, 1);
    volume->data.memory().overwrite(Bytes(200 * 4096), ByteVector(4096));

    const Result<CaptureReport> report = capture();
    REQUIRE(report.ok());
    CHECK(report->marked == Blocks(16));
    CHECK(report->changed == Blocks(15));
    CHECK(report->zero == zeroed.count);
    const GoldenImage expected = captured_image();
    CHECK(report->manifest.root_hash == expected.manifest.root_hash);
    CHECK(report->manifest.version == 2);

    Result<publish::DeltaReader> reader = publish::DeltaReader::open(delta);
    REQUIRE(reader.ok());
    CHECK(reader->manifest() == report->manifest);
    CHECK(reader->header().base_version == 1);
    CHECK(reader->header().base_root_hash == image.manifest.root_hash);
    BlockSet in_delta(image.manifest.blocks());
    codec::SaltedSha256 hash(image.manifest.salt);
    for (;;) {
        const auto block = reader->next();
        REQUIRE(block.ok());
        if (!*block) break;
        in_delta.insert({(*block)->index, Blocks(1)});
        CHECK((*block)->digest == hash(expected.block((*block)->index.value())));
        CHECK((*block)->frame.empty() == ((*block)->index == zeroed.first));
    }
    BlockSet session(image.manifest.blocks());
    for (const BlockRange& range : usual_session)
        session.insert(range);
    CHECK(in_delta == session);
}

TEST_CASE_METHOD(Master, "a capture reads the marked blocks alone, and writes nothing to the disk") {
    WatchedDisk disk(volume->data);
    const ByteVector log = volume->log_device.content();
    REQUIRE(
        volume::capture({volume->log(), disk}, source, fetcher, nullptr, {delta, 2, 1}, observer, stop).ok());
    CHECK(disk.bytes_read == Bytes(14 * 4096 + 1024));
    CHECK(volume->log_device.content() == log);
    for (const test::FakeFetcher::Request& request : fetcher.requests)
        CHECK(request.url == source.tree_url.with_credentials());
}

TEST_CASE_METHOD(Master, "a captured version is what the volume holds from then on") {
    const Result<CaptureReport> report = capture();
    REQUIRE(report.ok());
    set_record([](format::ImageRecord& record) { record.rejected_version = 2; });
    REQUIRE(hold_captured({volume->log(), volume->data}, report->manifest).ok());
    const format::ImageRecord& record = *volume->log().record();
    CHECK(record.image_version == 2);
    CHECK(record.manifest == format::serialize_manifest(report->manifest));
    CHECK(record.signature.empty());
    CHECK(record.version_floor == 2);
    CHECK(record.rejected_version == 0);
    CHECK(volume->bitmap().marked() == Blocks(0));
    CHECK(test::marks_of(test::opened(volume->log_device)).count() == Blocks(0));
}

TEST_CASE_METHOD(Master, "a power cut while a captured version is taken leaves one that a restore finishes") {
    const Result<CaptureReport> report = capture();
    REQUIRE(report.ok());
    GoldenImage captured = captured_image();
    captured.manifest = report->manifest;
    captured.make_frames();
    const ByteVector on_disk = volume->data.content();
    bool saw_marks_of_the_new_one = false;
    test::for_each_power_cut(
        *volume,
        [&] {
            REQUIRE(hold_captured({volume->log(), volume->data}, report->manifest).ok());
        },
        [&](const ByteVector& disk, const ByteVector& log) {
            CHECK(disk == on_disk);
            test::TestVolume after(disk, log);
            const format::ImageRecord& record = *after.log().record();
            if (record.image_version == 1) {
                // Nothing is lost: it can be captured again.
                CHECK(test::marks_of(after.log()).count() == Blocks(15));
                return;
            }
            CHECK(record.manifest == format::serialize_manifest(captured.manifest));
            if (after.bitmap().marked() > Blocks(0)) saw_marks_of_the_new_one = true;
            test::FakeFetcher store(captured);
            REQUIRE(test::restore_once({after.log(), after.data}, captured, store, observer).ok());
            CHECK(test::is_golden(after.data.content(), captured));
        });
    CHECK(saw_marks_of_the_new_one);
}

TEST_CASE_METHOD(Master, "what is nobody's version is not captured") {
    SECTION("half restored") {
        set_record([](format::ImageRecord& record) { record.state = VolumeState::restoring; });
    }
    SECTION("a version of which nothing was written yet, on the disk of the one before") {
        set_record([](format::ImageRecord& record) {
            record.before = {record.manifest, ""};
            record.untouched = true;
        });
    }
    SECTION("a number that was tried and not confirmed") {
        set_record([](format::ImageRecord& record) { record.rejected_version = 2; });
    }
    SECTION("on trial") {
        set_record([](format::ImageRecord& record) {
            record.before = {record.manifest, ""};
            record.trial_boots = 2;
        });
    }
    const Result<CaptureReport> report = capture();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(left_nothing());
}

TEST_CASE_METHOD(Master, "a capture needs a higher number, something new and a name that is free") {
    SECTION("the same number") {
        const Result<CaptureReport> report = capture(1);
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::usage);
        CHECK(left_nothing());
    }
    SECTION("nothing new") {
        const std::unique_ptr<test::TestVolume> fresh =
            test::make_session_volume(image, std::vector{blocks(70, 3)});
        fresh->data.memory().overwrite(Bytes(0),
                                       ByteVector(image.unpadded().begin(), image.unpadded().end()));
        const Result<CaptureReport> report = volume::capture({fresh->log(), fresh->data}, source, fetcher,
                                                             nullptr, {delta, 2, 1}, observer, stop);
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::refused);
        CHECK(left_nothing());
    }
    SECTION("a name that is taken") {
        test::write_file(delta, "somebody's");
        const Result<CaptureReport> report = capture();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::usage);
        CHECK(test::read_file(delta) == "somebody's");
    }
}

TEST_CASE_METHOD(Master, "a capture that fails leaves no delta") {
    WatchedDisk disk(volume->data);
    const auto attempt = [&] {
        return volume::capture({volume->log(), disk}, source, fetcher, nullptr, {delta, 2, 1}, observer,
                               stop);
    };
    SECTION("a block that cannot be read") {
        disk.bad_from = Bytes(298 * 4096);
        const Result<CaptureReport> report = attempt();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::disk);
    }
    SECTION("a stop") {
        stop.request();
        const Result<CaptureReport> report = attempt();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::interrupted);
    }
    SECTION("a network that is gone") {
        fetcher.fail_in = 0;
        CHECK(attempt().error().kind == Failure::network);
    }
    SECTION("somebody who could write meanwhile") {
        const auto check = [&]() -> Result<void> {
            CHECK_FALSE(fs::exists(delta));
            return Error{Failure::refused, "mapped for writing"};
        };
        const Result<CaptureReport> report = volume::capture({volume->log(), disk}, source, fetcher, nullptr,
                                                             {delta, 2, 1, check}, observer, stop);
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().message == "mapped for writing");
    }
    CHECK(left_nothing());
}

}  // namespace regild::volume
