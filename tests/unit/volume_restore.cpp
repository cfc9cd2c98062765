// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/restore.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using format::VolumeState;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::is_golden;
using test::Journal;
using test::make_golden_image;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::Operation;
using test::TestVolume;

// 300 blocks of 4 KiB with two runs of zeros; the last block is 1 KiB long.
GoldenImage usual_image() {
    return make_golden_image(test::block_size_of(4096), Bytes(299 * 4096 + 1024),
                             [](std::uint64_t n) { return (n >= 20 && n < 60) || n == 200; });
}

const std::vector<BlockRange> usual_session{blocks(3, 2), blocks(18, 10), blocks(200, 1), blocks(298, 2)};

Result<RestoreReport> run_restore(TestVolume& volume, const GoldenImage& image, FakeFetcher& fetcher,
                                  const StopFlag& stop = StopFlag()) {
    test::SilentObserver observer;
    return test::restore_once({volume.log(), volume.data}, image, fetcher, observer, stop);
}

void require_done(TestVolume& volume, const GoldenImage& image) {
    REQUIRE(is_golden(volume.data.content(), image));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    REQUIRE(volume.log().record()->state == VolumeState::golden);
    REQUIRE_FALSE(volume.log().record()->unknown);
}

// The blocks of the disk that were written or zeroed. Each must be touched once and as a whole.
BlockSet touched_blocks(const TestVolume& volume, const GoldenImage& image) {
    const BlockSize block_size = image.manifest.block_size;
    BlockSet touched(image.manifest.blocks());
    for (const Journal::Entry& entry : volume.journal.entries) {
        const Operation& operation = entry.operation;
        if (entry.to_log || operation.kind == Operation::Kind::flush) continue;
        const Bytes end = operation.offset + operation.length;
        REQUIRE(operation.offset.count() % block_size.bytes().count() == 0);
        REQUIRE((end.count() % block_size.bytes().count() == 0 || end == image.manifest.size));
        const BlockIndex first(operation.offset.count() / block_size.bytes().count());
        const BlockRange range{first, block_size.blocks_in(operation.length)};
        const Blocks before = touched.count();
        touched.insert(range);
        REQUIRE(touched.count() == before + range.count);
    }
    return touched;
}

std::size_t requests_for(const FakeFetcher& fetcher, const std::string& url) {
    return static_cast<std::size_t>(
        std::ranges::count_if(fetcher.requests, [&](const auto& request) { return request.url == url; }));
}

TEST_CASE("a restored volume begins anew to count the boots without a restore") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    format::ImageRecord record = *volume->log().record();
    record.unrestored_boots = 4;
    REQUIRE(volume->log().write_record(record).ok());
    FakeFetcher fetcher(image);
    fetcher.fail_in = 3;
    REQUIRE_FALSE(run_restore(*volume, image, fetcher).ok());
    REQUIRE(volume->log().record()->unrestored_boots == 4);
    fetcher.fail_in.reset();
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    REQUIRE(volume->log().record()->unrestored_boots == 0);
}

TEST_CASE("a session is undone and the volume says golden") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    REQUIRE(report->marked == Blocks(15));
    REQUIRE(report->fetched == Blocks(6));  // 3 4 18 19 298 299
    REQUIRE(report->zeroed == Blocks(9));   // 20 to 27, 200
    REQUIRE(report->already_right == Blocks(0));
    REQUIRE(report->requests == fetcher.requests.size());
}

TEST_CASE("the set of blocks written equals the set of marked blocks") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    BlockSet marked(image.manifest.blocks());
    for (const BlockRange& range : usual_session)
        marked.insert(range);
    REQUIRE(touched_blocks(*volume, image) == marked);
}

TEST_CASE("only marked blocks that are not zero are fetched, neighbours together") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    BlockSet fetched(image.manifest.blocks());
    for (const FakeFetcher::Request& request : fetcher.requests)
        if (request.url == image.source().data_url.with_credentials())
            fetched.insert(image.blocks_of({request.offset, request.length}));
    BlockSet expected(image.manifest.blocks());
    for (const BlockRange& range : {blocks(3, 2), blocks(18, 2), blocks(298, 2)})
        expected.insert(range);
    REQUIRE(fetched == expected);
    REQUIRE(requests_for(fetcher, image.source().data_url.with_credentials()) == 3);
}

TEST_CASE("a clean volume is not touched and makes no request") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    REQUIRE(report->marked == Blocks(0));
    REQUIRE(fetcher.requests.empty());
    REQUIRE(volume->journal.entries.empty());
}

TEST_CASE("a volume that lost power after its last mark was cleared just becomes golden") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, {});
    format::ImageRecord record = *volume->log().record();
    record.state = VolumeState::restoring;
    REQUIRE(volume->log().write_record(record).ok());
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    REQUIRE(fetcher.requests.empty());
}

TEST_CASE("a blank disk is provisioned, and what lies behind the image is left alone") {
    const GoldenImage image = usual_image();
    ByteVector disk(301 * 4096, std::byte{0x55});
    const auto volume = make_provisioning_volume(image, disk);
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    for (std::size_t at = image.manifest.size.count(); at < disk.size(); ++at)
        REQUIRE(volume->data.content()[at] == std::byte{0x55});
}

TEST_CASE("while it provisions, the record never says anything else") {
    const GoldenImage image = usual_image();
    const auto volume = make_provisioning_volume(image, ByteVector(301 * 4096));
    FakeFetcher fetcher(image);
    volume->journal.before_operation = [&] {
        const VolumeState state = volume->log().record()->state;
        REQUIRE((state == VolumeState::provisioning || volume->bitmap().marked() == Blocks(0)));
    };
    REQUIRE(run_restore(*volume, image, fetcher).ok());
}

TEST_CASE("what fits in memory has arrived before the record or the disk is written") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    fetcher.before_range = [&] { REQUIRE(volume->journal.entries.empty()); };
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
}

TEST_CASE("the record says restoring, durably, before the first block is written") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    REQUIRE(volume->journal.entries.at(0).to_log);
    REQUIRE(volume->journal.entries.at(0).operation.kind == Operation::Kind::write);
    REQUIRE(volume->journal.entries.at(1).to_log);
    REQUIRE(volume->journal.entries.at(1).operation.kind == Operation::Kind::flush);
}

TEST_CASE("one wrong byte from the server: nothing is written and the marks stay") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    const ByteVector before = volume->data.content();
    FakeFetcher fetcher(image);
    fetcher.files[image.source().data_url.with_credentials()][image.frame(18).offset.count() + 50] ^=
        std::byte{1};
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    REQUIRE(report.error().kind == Failure::source);
    REQUIRE(report.error().message.find("block 18") != std::string::npos);
    REQUIRE(volume->journal.entries.empty());
    REQUIRE(volume->data.content() == before);
    REQUIRE(volume->bitmap().marked() == Blocks(15));
    REQUIRE(volume->log().record()->state == VolumeState::golden);
}

TEST_CASE("a padding byte behind the image that is not zero is found") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    GoldenImage padded = image;
    padded.padded.back() = std::byte{1};
    padded.make_frames();
    FakeFetcher fetcher(padded);
    REQUIRE_FALSE(run_restore(*volume, image, fetcher).ok());
    REQUIRE(volume->journal.entries.empty());
}

TEST_CASE("a frame that is no frame, too short, too long or of another block is a wrong block") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    GoldenImage other = image;
    const auto overwrite_18 = [&](ConstByteSpan block) {
        std::ranges::copy(block, other.padded.begin() + 18 * 4096);
        other.make_frames();
    };
    ByteVector* replaced = nullptr;
    ByteVector frame;
    FakeFetcher fetcher(image);
    SECTION("of another block") {
        overwrite_18(image.block(19));
    }
    SECTION("of a block of zeros") {
        overwrite_18(image.block(20));
    }
    SECTION("no frame") {
        other.frames[other.frame(18).offset.count()] ^= std::byte{1};
    }
    SECTION("cut off") {
        // The next frame begins a byte early, and so do all that follow.
        other.frames.erase(other.frames.begin() +
                           static_cast<std::ptrdiff_t>(other.frame(19).offset.count()) - 1);
        other.frames.push_back(std::byte{0});
    }
    SECTION("a bomb") {
        codec::Compressor compressor(1);
        frame = compressor.compress_zeros(MiB(64)).value();
        replaced = &other.frames;
        REQUIRE(frame.size() < other.frame(18).length.count());
        std::ranges::copy(frame,
                          replaced->begin() + static_cast<std::ptrdiff_t>(other.frame(18).offset.count()));
    }
    fetcher.files[image.source().data_url.with_credentials()] = other.frames;
    fetcher.files[image.source().index_url.with_credentials()] = other.index_file;
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::source);
    CHECK(report.error().message.find("does not match the hash tree") != std::string::npos);
    CHECK(volume->journal.entries.empty());
}

TEST_CASE("a tree that was tampered with stops the restore before the first write") {
    const GoldenImage image = usual_image();
    for (const std::size_t at : {std::size_t{4096}, std::size_t{2 * 4096}}) {
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        fetcher.files[image.source().tree_url.with_credentials()][at] ^= std::byte{1};
        REQUIRE_FALSE(run_restore(*volume, image, fetcher).ok());
        REQUIRE(volume->journal.entries.empty());
        REQUIRE(requests_for(fetcher, image.source().data_url.with_credentials()) == 0);
    }
}

TEST_CASE("a volume of one block needs no tree") {
    const GoldenImage image =
        make_golden_image(test::block_size_of(65536), Bytes(1536), [](std::uint64_t) { return false; });
    const auto volume = make_provisioning_volume(image, ByteVector(1536));
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    REQUIRE(requests_for(fetcher, image.source().tree_url.with_credentials()) == 0);
}

TEST_CASE("an image of nothing but zeros is never fetched") {
    const GoldenImage image =
        make_golden_image(test::block_size_of(4096), Bytes(256 * 4096), [](std::uint64_t) { return true; });
    const auto volume = make_provisioning_volume(image, ByteVector(256 * 4096, std::byte{9}));
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    REQUIRE(report->zeroed == Blocks(256));
    REQUIRE(requests_for(fetcher, image.source().data_url.with_credentials()) == 0);
}

TEST_CASE("a disk of unknown content is hashed first and only what differs is fetched") {
    const GoldenImage image = usual_image();
    const ConstByteSpan golden = image.unpadded();
    ByteVector disk(golden.begin(), golden.end());
    disk[7 * 4096] ^= std::byte{1};
    disk[25 * 4096] ^= std::byte{1};   // zero in the image
    disk[299 * 4096] ^= std::byte{1};  // the short one
    const auto volume = make_provisioning_volume(image, disk, true);
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    REQUIRE(report->marked == Blocks(300));
    REQUIRE(report->already_right == Blocks(297));
    REQUIRE(report->fetched == Blocks(2));
    REQUIRE(report->zeroed == Blocks(1));
    REQUIRE(touched_blocks(*volume, image).count() == Blocks(3));
}

TEST_CASE("a source that serves nothing is told of before anything is hashed") {
    const GoldenImage image = usual_image();
    const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size()), true);
    volume->data.memory().start_trace();
    FakeFetcher nothing_there;
    const Result<RestoreReport> report = run_restore(*volume, image, nothing_there);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::source);
    CHECK(volume->data.memory().trace().empty());
}

TEST_CASE("a block of unknown content that cannot be read is fetched and written, which heals it") {
    const GoldenImage image = usual_image();
    const ConstByteSpan golden = image.unpadded();
    const auto volume = make_provisioning_volume(image, ByteVector(golden.begin(), golden.end()), true);
    for (const std::uint64_t block : {7, 25, 299})  // 25 is zero in the image
        volume->data.memory().make_unreadable(Bytes(block * 4096), Bytes(512));
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    CHECK(report->already_right == Blocks(297));
    CHECK(touched_blocks(*volume, image) ==
          test::set_of(Blocks(300), {blocks(7, 1), blocks(25, 1), blocks(299, 1)}));
    block::AlignedBuffer buffer(512);
    for (const std::uint64_t block : {7, 25, 299})
        CHECK(volume->data.read(Bytes(block * 4096), buffer.span()).ok());
}

TEST_CASE("a block that cannot be written is an error and stays marked") {
    const GoldenImage image = usual_image();
    const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size()), true);
    volume->data.memory().make_unreadable(Bytes(7 * 4096), Bytes(512));
    volume->data.memory().fail_only(Operation::Kind::write);
    volume->data.memory().fail_at(1, true);
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::disk);
    CHECK(volume->bitmap().read(BlockIndex(7)).marked.test(BlockIndex(7)));
}

TEST_CASE("what hashed right is flushed before its marks are cleared") {
    const GoldenImage image = usual_image();
    const ConstByteSpan golden = image.unpadded();
    const auto volume = make_provisioning_volume(image, ByteVector(golden.begin(), golden.end()), true);
    volume->journal.entries.clear();
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    REQUIRE_FALSE(volume->journal.entries.at(0).to_log);
    REQUIRE(volume->journal.entries.at(0).operation.kind == Operation::Kind::flush);
}

TEST_CASE("blocks of a log sector that cannot be trusted are hashed first") {
    // Two log sectors: the second one is damaged.
    const GoldenImage image =
        make_golden_image(test::block_size_of(4096), Bytes(4040 * 4096), [](std::uint64_t) { return false; });
    const std::vector<BlockRange> session{blocks(5, 1), blocks(4036, 1)};
    const auto session_volume = make_session_volume(image, session);
    ByteVector log = session_volume->log_device.content();
    log[65536 + 512 + 100] ^= std::byte{1};
    TestVolume volume(session_volume->data.content(), log);
    REQUIRE(volume.bitmap().untrusted() == Blocks(8));
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(volume, image);
    REQUIRE(report->already_right == Blocks(7));
    REQUIRE(report->fetched == Blocks(2));
}

TEST_CASE("a log sector that reads well again later is not believed") {
    // The log says that nothing is marked, but for a while nobody could read it; and block 7 is wrong.
    const GoldenImage image = usual_image();
    for (std::uint64_t read_errors = 2; read_errors < 12; ++read_errors) {
        const auto volume = make_session_volume(image, {});
        volume->data.memory().overwrite(Bytes(7 * 4096), ByteVector(512, std::byte{0xee}));
        volume->log_device.memory().make_unreadable(volume->log().geometry().bitmap_offset(), Bytes(512));
        volume->log_device.memory().heal_after(read_errors);
        volume->log_store = *log::WriteLog::open(volume->log_device);
        REQUIRE(volume->bitmap().marked() == Blocks(300));
        FakeFetcher fetcher(image);
        REQUIRE(run_restore(*volume, image, fetcher).ok());
        require_done(*volume, image);
    }
}

TEST_CASE("a log unit that cannot be read when its marks are cleared is restored whole") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    bool failed = false;
    volume->journal.before_operation = [&] {
        if (failed || volume->journal.entries.empty() || volume->journal.entries.back().to_log) return;
        failed = true;  // after the first block is written
        volume->log_device.memory().make_unreadable(volume->log().geometry().bitmap_offset(), Bytes(512));
    };
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE(report.ok());
    require_done(*volume, image);
    REQUIRE(report->fetched + report->zeroed > Blocks(15));
    REQUIRE(test::marks_of(**log::WriteLog::open(volume->log_device)).empty());
}

TEST_CASE("a log sector that cannot be trusted is all-ones on the disk before a block of it is written") {
    const GoldenImage image = usual_image();
    const std::vector<BlockRange> session{blocks(0, 300)};  // none is right, so that no mark is cleared first
    const auto session_volume = make_session_volume(image, session);
    ByteVector log = session_volume->log_device.content();
    log[65536 + 100] ^= std::byte{1};
    TestVolume volume(session_volume->data.content(), log);
    bool checked = false;
    volume.journal.before_operation = [&] {
        const std::vector<Journal::Entry>& entries = volume.journal.entries;
        if (checked || entries.empty() || entries.back().to_log ||
            entries.back().operation.kind == Operation::Kind::flush)
            return;
        checked = true;
        test::MemoryStorage now(volume.log_device.content());
        const log::WriteLog after_power_cut = **log::WriteLog::open(now);
        REQUIRE(after_power_cut.bitmap().untrusted() == Blocks(0));
        REQUIRE(after_power_cut.bitmap().marked() == Blocks(300));
    };
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(volume, image, fetcher).ok());
    require_done(volume, image);
    REQUIRE(checked);
}

TEST_CASE("a disk that is too small is refused") {
    const GoldenImage image = usual_image();
    const auto volume = make_provisioning_volume(image, ByteVector(299 * 4096 + 512));
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    REQUIRE(report.error().kind == Failure::refused);
    REQUIRE(fetcher.requests.empty());
}

TEST_CASE("a log of another version is refused: its marks say nothing about this one") {
    GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    image.manifest.version = 2;
    FakeFetcher fetcher(image);
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    REQUIRE(report.error().kind == Failure::refused);
    REQUIRE(report.error().message.find("version 1") != std::string::npos);
}

TEST_CASE("the network dies at any request: marks stay and a second run finishes") {
    const GoldenImage image = usual_image();
    for (std::uint64_t survive = 0;; ++survive) {
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        fetcher.fail_in = survive;
        const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
        if (report.ok()) {
            REQUIRE(survive >= 6);
            break;
        }
        REQUIRE(report.error().kind == Failure::network);
        // All of it fits in memory: nothing has been touched.
        REQUIRE(volume->journal.entries.empty());
        FakeFetcher second(image);
        REQUIRE(run_restore(*volume, image, second).ok());
        require_done(*volume, image);
    }
}

TEST_CASE("a stop request at any operation leaves a volume that a second run finishes") {
    const GoldenImage image = usual_image();
    for (std::uint64_t survive = 0; survive < 12; ++survive) {
        const auto volume = make_session_volume(image, usual_session);
        FakeFetcher fetcher(image);
        StopFlag stop;
        std::uint64_t operations = 0;
        volume->journal.before_operation = [&] {
            if (operations++ == survive) stop.request();
        };
        const Result<RestoreReport> report = run_restore(*volume, image, fetcher, stop);
        volume->journal.before_operation = nullptr;
        if (!report.ok()) {
            REQUIRE(report.error().kind == Failure::interrupted);
            REQUIRE(report.error().message.find("left to restore") != std::string::npos);
            REQUIRE(volume->log().record()->state == VolumeState::restoring);
            FakeFetcher second(image);
            REQUIRE(run_restore(*volume, image, second).ok());
        }
        require_done(*volume, image);
    }
}

TEST_CASE("memory for fetched data is bounded whatever the image's size") {
    const GoldenImage image =
        make_golden_image(test::block_size_of(65536), Bytes(96 << 20), [](std::uint64_t) { return false; });
    const auto volume = make_provisioning_volume(image, ByteVector(96 << 20));
    FakeFetcher fetcher(image);
    REQUIRE(run_restore(*volume, image, fetcher).ok());
    require_done(*volume, image);
    REQUIRE(fetcher.most_at_once <= MiB(16) + KiB(64));
    REQUIRE(requests_for(fetcher, image.source().data_url.with_credentials()) == 384);  // of 256 KiB each
}

TEST_CASE("when the network dies in the middle of a large restore, what had arrived is in place") {
    const GoldenImage image =
        make_golden_image(test::block_size_of(65536), Bytes(96 << 20), [](std::uint64_t) { return false; });
    const auto volume = make_provisioning_volume(image, ByteVector(96 << 20));
    FakeFetcher fetcher(image);
    // Five requests for the tree and one for the index, then 64 for each batch; the fourth batch fails.
    fetcher.fail_in = 5 + 1 + 3 * 64;
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    REQUIRE(volume->bitmap().marked() == Blocks(3 * 256));
    REQUIRE(volume->log().record()->state == VolumeState::provisioning);
    FakeFetcher second(image);
    REQUIRE(run_restore(*volume, image, second).ok());
    require_done(*volume, image);
    REQUIRE(requests_for(second, image.source().data_url.with_credentials()) == 192);
}

TEST_CASE("a wrong block of a large restore, which is written as it arrives, is not written") {
    const GoldenImage image =
        make_golden_image(test::block_size_of(65536), Bytes(96 << 20), [](std::uint64_t) { return false; });
    const auto volume = make_provisioning_volume(image, ByteVector(96 << 20));
    const std::uint64_t wrong = 1530;
    FakeFetcher fetcher(image);
    fetcher.files[image.source().data_url.with_credentials()][image.frame(wrong).offset.count() + 50] ^=
        std::byte{1};
    const Result<RestoreReport> report = run_restore(*volume, image, fetcher);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().message.find("block 1530") != std::string::npos);
    const ByteVector& content = volume->data.content();
    const auto at = content.begin() + static_cast<std::ptrdiff_t>(wrong * 65536);
    CHECK(std::all_of(at, at + 65536, [](std::byte byte) { return byte == std::byte{0}; }));
    CHECK(volume->bitmap().marked() > Blocks(0));
    FakeFetcher second(image);
    REQUIRE(run_restore(*volume, image, second).ok());
    require_done(*volume, image);
}

TEST_CASE("progress ends at all of the marked bytes") {
    const GoldenImage image = usual_image();
    const auto volume = make_session_volume(image, usual_session);
    FakeFetcher fetcher(image);
    test::SilentObserver observer;
    REQUIRE(test::restore_once({volume->log(), volume->data}, image, fetcher, observer).ok());
    REQUIRE(observer.last_total == Bytes(15 * 4096));
    REQUIRE(observer.last_done == observer.last_total);
}

}  // namespace
}  // namespace regild::volume
