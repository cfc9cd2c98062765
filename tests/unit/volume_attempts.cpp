// SPDX-License-Identifier: GPL-2.0-or-later
// What an attempt that failed leaves behind, and what the next one asks for.
#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using format::VolumeState;
using test::Attempts;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::image_of_300_blocks;
using test::make_golden_image;
using test::make_provisioning_volume;
using test::make_session_volume;
using test::TestVolume;
using test::usual_session;

// Three times what memory holds, 128 requests.
constexpr std::uint64_t large_blocks = 6 * 256;
GoldenImage large_image() {
    return make_golden_image(test::block_size_of(65536), Bytes(large_blocks * 65536),
                             [](std::uint64_t) { return false; });
}

// Requests for data that were answered, each range once.
std::size_t distinct_requests(const FakeFetcher& fetcher, const GoldenImage& image) {
    BlockSet asked(image.manifest.blocks());
    std::size_t count = 0;
    for (const FakeFetcher::Request& request : fetcher.requests) {
        if (request.url != image.source().data_url.with_credentials()) continue;
        const BlockRange range = image.blocks_of({request.offset, request.length});
        REQUIRE(asked.count(range) == Blocks(0));
        asked.insert(range);
        ++count;
    }
    return count;
}

void require_done(TestVolume& volume, const GoldenImage& image) {
    REQUIRE(test::is_golden(volume.data.content(), image));
    REQUIRE(volume.bitmap().marked() == Blocks(0));
    REQUIRE(volume.log().record()->state == VolumeState::golden);
}

TEST_CASE("while the record says golden, what has arrived waits in memory and is not asked for again") {
    const GoldenImage image = image_of_300_blocks();
    const auto volume = make_session_volume(image, usual_session);
    Attempts run(*volume, image);
    unsigned failed = 0;
    for (run.fetcher.fail_in = 1; !run.restore.attempt(); run.fetcher.fail_in = 1) {
        ++failed;
        REQUIRE(failed < 10);
        REQUIRE(volume->journal.entries.empty());
    }
    // Three requests for the tree, of which one did not help, one for the index, four for data: one in each
    // attempt.
    CHECK(failed == 7);
    require_done(*volume, image);
    CHECK(distinct_requests(run.fetcher, image) == 4);
    const RestoreReport report = run.restore.report();
    CHECK(report.marked == Blocks(15));
    CHECK(report.fetched == Blocks(7));
    CHECK(report.zeroed == Blocks(8));
    CHECK(report.requests == run.fetcher.requests.size());
    CHECK(run.observer.last_done == run.observer.last_total);
}

TEST_CASE("batches wait for one flush") {
    const GoldenImage image = large_image();
    const std::vector<BlockRange> session{blocks(0, large_blocks)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    REQUIRE(run.restore.attempt().ok());
    const auto flushes =
        std::ranges::count_if(volume->journal.entries, [](const test::Journal::Entry& entry) {
            return !entry.to_log && entry.operation.kind == test::Operation::Kind::flush;
        });
    CHECK(flushes >= 1);
    CHECK(flushes < 12);  // of 48 batches: one each ten seconds
}

TEST_CASE("a large restore touches nothing before memory is full") {
    const GoldenImage image = large_image();
    const std::vector<BlockRange> session{blocks(0, large_blocks)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    run.fetcher.fail_in = 5 + 1 + 64 + 5;  // five requests for the tree, one for the index
    REQUIRE_FALSE(run.restore.attempt().ok());
    CHECK(volume->journal.entries.empty());
    run.fetcher.fail_in = 58;  // of the 59 that the second batch still needs
    REQUIRE_FALSE(run.restore.attempt().ok());
    CHECK(volume->journal.entries.empty());
    REQUIRE(run.restore.attempt().ok());
    require_done(*volume, image);
    CHECK(distinct_requests(run.fetcher, image) == 6 * 64);
}

TEST_CASE("once the record says restoring, what has arrived of a batch is put in place") {
    const GoldenImage image = large_image();
    const std::vector<BlockRange> session{blocks(0, large_blocks)};
    const auto volume = make_session_volume(image, session);
    Attempts run(*volume, image);
    run.fetcher.fail_in = 5 + 1 + 3 * 64 + 5;
    REQUIRE_FALSE(run.restore.attempt().ok());
    CHECK(volume->log().record()->state == VolumeState::restoring);
    CHECK(volume->bitmap().marked() == Blocks((3 * 64 - 5) * 4));
    SECTION("the next attempt asks for the rest") {
        REQUIRE(run.restore.attempt().ok());
        CHECK(distinct_requests(run.fetcher, image) == 6 * 64);
        CHECK(run.restore.report().fetched == Blocks(large_blocks));
    }
    SECTION("so does another process") {
        Attempts second(*volume, image);
        REQUIRE(second.restore.attempt().ok());
        CHECK(distinct_requests(second.fetcher, image) == 3 * 64 - 5);
    }
    require_done(*volume, image);
}

TEST_CASE("a provisioning keeps what has arrived of its first batch") {
    const GoldenImage image = image_of_300_blocks();
    const bool unknown = GENERATE(false, true);
    const auto volume =
        make_provisioning_volume(image, ByteVector(image.padded.size(), std::byte{9}), unknown);
    Attempts run(*volume, image);
    run.fetcher.fail_in = 2 + 1 + 4;  // for tree, index, and blocks 60 to 299
    REQUIRE_FALSE(run.restore.attempt().ok());
    CHECK(volume->log().record()->state == VolumeState::provisioning);
    CHECK_FALSE(volume->log().record()->unknown);
    CHECK(test::marks_of(volume->log()) == test::set_of(Blocks(300), {blocks(0, 20)}));
    REQUIRE(run.restore.attempt().ok());
    require_done(*volume, image);
    CHECK(distinct_requests(run.fetcher, image) == 5);
}

TEST_CASE("bytes that do not verify do not cost those that do") {
    const GoldenImage image = image_of_300_blocks();
    const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size(), std::byte{9}));
    Attempts run(*volume, image);
    ByteVector& file = run.fetcher.files[run.source.data_url.with_credentials()];
    std::byte& wrong = file[image.frame(3).offset.count() + 50];
    wrong ^= std::byte{1};
    const Result<void> failed = run.restore.attempt();
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().kind == Failure::source);
    CHECK(test::marks_of(volume->log()) == test::set_of(Blocks(300), {blocks(0, 20)}));
    wrong ^= std::byte{1};
    REQUIRE(run.restore.attempt().ok());
    require_done(*volume, image);
}

TEST_CASE("what came for nothing is no progress") {
    const GoldenImage image = image_of_300_blocks();
    const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size(), std::byte{9}));
    Attempts run(*volume, image);
    ByteVector& file = run.fetcher.files[run.source.data_url.with_credentials()];
    std::byte& wrong = file[image.frame(298).offset.count() + 50];  // it is answered before all others
    wrong ^= std::byte{1};
    REQUIRE_FALSE(run.restore.attempt().ok());
    wrong ^= std::byte{1};
    REQUIRE(run.restore.attempt().ok());
    CHECK(run.observer.times_at_total == 1);
}

TEST_CASE("a stop keeps what was verified, and zeroes nothing more") {
    const GoldenImage image = image_of_300_blocks();
    const auto stop_before_range = [](Attempts& run, unsigned last) {
        unsigned ranges = 0;
        run.fetcher.failure = {Failure::interrupted, "interrupted"};
        run.fetcher.fail_in = last;
        run.fetcher.before_range = [&run, ranges, last]() mutable {
            if (++ranges == last + 1) run.stop.request();
        };
        const Result<void> stopped = run.restore.attempt();
        REQUIRE_FALSE(stopped.ok());
        CHECK(stopped.error().kind == Failure::interrupted);
    };
    SECTION("of a provisioning") {
        const auto volume = make_provisioning_volume(image, ByteVector(image.padded.size(), std::byte{9}));
        Attempts run(*volume, image);
        stop_before_range(run, 2 + 1 + 4);
        CHECK(test::marks_of(volume->log()) == test::set_of(Blocks(300), {blocks(0, 60)}));
        Attempts second(*volume, image);
        REQUIRE(second.restore.attempt().ok());
        CHECK(distinct_requests(second.fetcher, image) == 1);
        require_done(*volume, image);
    }
    SECTION("while the record says golden, nothing is touched") {
        const auto volume = make_session_volume(image, usual_session);
        Attempts run(*volume, image);
        stop_before_range(run, 1 + 1 + 1);
        CHECK(volume->journal.entries.empty());
    }
}

TEST_CASE("after an error of the disk another attempt of the same restore finishes") {
    const GoldenImage image = image_of_300_blocks();
    for (std::uint64_t survive = 0;; ++survive) {
        const auto volume = make_session_volume(image, usual_session);
        Attempts run(*volume, image);
        volume->journal.fail_in = survive;
        const bool done = run.restore.attempt().ok();
        volume->journal.fail_in.reset();
        REQUIRE(run.restore.attempt().ok());
        require_done(*volume, image);
        if (done) break;
    }
}

// An image of many blocks, few of which are not zero, on a disk and a server that hold just those.

constexpr std::uint64_t window = 512 * 128;  // blocks whose digests are loaded together

struct SparseImage {
    SparseImage(std::uint64_t count, const std::vector<std::uint64_t>& written)
        : image{.manifest = test::manifest_of(test::block_size_of(4096), Bytes(count * 4096)),
                .padded = {},
                .tree_file = {},
                .frames = {},
                .index_file = {}},
          nonzero(written) {
        codec::SaltedSha256 hash(image.manifest.salt);
        std::vector<Digest> digests(count, hash(ByteVector(4096)));
        for (const std::uint64_t block : nonzero)
            digests[block] = hash(ByteVector(4096, std::byte{1}));
        image.set_tree(std::move(digests));

        // One frame for them all, at the start.
        image.frames.resize(codec::longest_frame(Bytes(4096)).count());
        const Bytes length =
            codec::Compressor(1).compress(ByteVector(4096, std::byte{1}), image.frames).value();
        image.frames.resize(length.count());
        image.index_file.resize(divide_up(count, 32) * 104);
        for (const std::uint64_t block : nonzero)
            image.index_file[block / 32 * 104 + 8 + block % 32 * 3] = static_cast<std::byte>(length.count());
    }
    GoldenImage image;
    std::vector<std::uint64_t> nonzero;
};

// All zero but for what was written; counts what is read.
class SparseStorage final : public block::Storage {
  public:
    explicit SparseStorage(Bytes size) : size_(size) {}
    const std::string& name() const override { return name_; }
    Bytes size() const override { return size_; }
    Bytes alignment() const override { return Bytes(512); }
    Result<void> read(Bytes, ByteSpan into) override {
        std::ranges::fill(into, std::byte{0});
        bytes_read += into.size();
        return {};
    }
    Result<void> write(Bytes, ConstByteSpan) override {
        ++writes;
        return {};
    }
    Result<void> zero(Bytes, Bytes) override { return {}; }
    Result<void> flush() override { return {}; }
    std::atomic<std::uint64_t> bytes_read = 0;
    unsigned writes = 0;

  private:
    const std::string name_ = "the disk";
    Bytes size_;
};

struct SparseVolume {
    SparseVolume(const SparseImage& sparse, VolumeState state, bool unknown,
                 std::span<const BlockRange> marked)
        : geometry(*format::LogGeometry::make(sparse.image.manifest.size, sparse.image.manifest.block_size)),
          log_device(geometry.log_length()),
          data(sparse.image.manifest.size) {
        format::ImageRecord record = test::record_of(state, 1);
        record.unknown = unknown;
        record.manifest = format::serialize_manifest(sparse.image.manifest);
        Result<log::WriteLog> formatted = log::WriteLog::format(log_device, geometry, record);
        REQUIRE(formatted.ok());
        log.emplace(*std::move(formatted));
        const BlockRange all{BlockIndex(0), geometry.blocks()};
        REQUIRE(log->bitmap().clear({&all, 1}).ok());
        REQUIRE(log->bitmap().mark(marked).ok());
    }
    format::LogGeometry geometry;
    test::MemoryStorage log_device;
    SparseStorage data;
    std::optional<log::WriteLog> log;
};

TEST_CASE("what was hashed before the network failed is not hashed again") {
    const std::uint64_t count = window + 128;
    const SparseImage sparse(count, {5, window + 3});
    const std::vector<BlockRange> all{blocks(0, count)};
    SparseVolume volume(sparse, VolumeState::provisioning, true, all);
    FakeFetcher fetcher(sparse.image);
    const store::Source source = sparse.image.source();
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore({*volume.log, volume.data}, source, fetcher, observer, stop);
    fetcher.fail_in = 3;  // of each level what lies above block 5
    REQUIRE_FALSE(restore.attempt().ok());
    CHECK(volume.data.bytes_read == window * 4096);
    CHECK(volume.log->bitmap().marked() == Blocks(1 + 128));
    REQUIRE(restore.attempt().ok());
    CHECK(volume.data.bytes_read == count * 4096);
    CHECK(restore.report().already_right == Blocks(count - 2));
    CHECK(restore.report().fetched == Blocks(2));
}

TEST_CASE("a restore that fits in memory is whole before the first write, however often its planning fails") {
    const std::uint64_t count = 2 * window + 128;
    const SparseImage sparse(count, {3, window + 3, 2 * window + 3});
    // A block below each hash block, so that the digests do not fit at once.
    std::vector<BlockRange> session;
    for (std::uint64_t n = 3; n < count; n += 128)
        session.push_back(blocks(n, 1));
    SparseVolume volume(sparse, VolumeState::golden, false, session);
    FakeFetcher fetcher(sparse.image);
    const store::Source source = sparse.image.source();
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore({*volume.log, volume.data}, source, fetcher, observer, stop);
    unsigned failed = 0;
    for (fetcher.fail_in = 1; !restore.attempt(); fetcher.fail_in = 1) {
        REQUIRE(++failed < 20);
        REQUIRE(volume.data.writes == 0);
        REQUIRE(volume.log->record()->state == VolumeState::golden);
    }
    CHECK(std::ranges::count(fetcher.requests, source.data_url.with_credentials(),
                             &FakeFetcher::Request::url) == 3);
    CHECK(volume.data.writes == 3);
}

}  // namespace
}  // namespace regild::volume
