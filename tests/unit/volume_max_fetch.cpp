// SPDX-License-Identifier: GPL-2.0-or-later
// Restores that may fetch only so much: with what has to be asked for again, and with what is read twice.
#include <catch2/catch.hpp>

#include "net_server.hpp"
#include "temporary_directory.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::HttpReply;
using test::HttpRequest;
using test::is_golden;
using test::make_session_volume;
using test::TestVolume;
using test::usual_session;

// A volume of which nobody needs be told any more that it is a mixture: what comes is written at once.
std::unique_ptr<TestVolume> half_done_volume(const GoldenImage& image) {
    auto volume = make_session_volume(image, usual_session);
    format::ImageRecord record = *volume->log().record();
    record.state = format::VolumeState::restoring;
    REQUIRE(volume->log().write_record(record).ok());
    volume->journal.entries.clear();
    return volume;
}

// One restore of one attempt.
struct Limited {
    Limited(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher, RestoreRules rules,
            NearbyDevices nearby = {})
        : restore(target, source, fetcher, observer, stop, nearby, rules), done(restore.attempt()) {}
    bool is_refused() const {
        return !done && done.error().kind == Failure::refused &&
               done.error().message.find("allow more with --max-fetch") != std::string::npos;
    }
    test::SilentObserver observer;
    const StopFlag stop;
    Restore restore;
    const Result<void> done;
};

// A server of the image, which breaks off each answer from byte `breaks_off_from` of image.zst on.
struct BreakingServer {
    explicit BreakingServer(const GoldenImage& of) : source(of.source()) {
        for (net::Url* url : {&source.data_url, &source.index_url, &source.tree_url})
            *url = test::url(server.url("/" + url->file_name()));
        files["/image.zst"] = as_text(of.frames);
        files["/image.index"] = as_text(of.index_file);
        files["/image.verity"] = as_text(of.tree_file);
    }
    HttpReply answer(const HttpRequest& request) {
        HttpReply reply = test::partial_content(files[request.path], request);
        if (request.path == "/image.zst" && request.first >= breaks_off_from)
            reply = test::broken_off(std::move(reply));
        sent += Bytes(reply.bytes.size() - reply.bytes.find("\r\n\r\n") - 4);
        return reply;
    }
    std::map<std::string, std::string> files;
    std::uint64_t breaks_off_from = UINT64_MAX;
    Bytes sent;
    test::HttpServer server{[this](const HttpRequest& request) { return answer(request); }};
    store::Source source;
    const StopFlag stop;
    std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher({}, stop);
};

Bytes needed(const GoldenImage& image) {
    const auto volume = make_session_volume(image, usual_session);
    BreakingServer at(image);
    REQUIRE(
        Limited({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = MiB(100)}).done.ok());
    return at.sent;
}

}  // namespace

TEST_CASE("a restore of which everything breaks off receives no more than it may, and writes nothing") {
    const GoldenImage image = test::image_of_300_blocks();
    const auto volume = make_session_volume(image, usual_session);
    const Bytes most = needed(image);
    BreakingServer at(image);
    at.breaks_off_from = 0;
    const Limited run({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = most});
    CHECK(run.is_refused());
    CHECK(at.sent <= most);
    CHECK(at.fetcher->totals().over_network == at.sent);
    CHECK(volume->journal.entries.empty());

    at.breaks_off_from = UINT64_MAX;
    at.sent = Bytes(0);
    at.fetcher = net::make_http_fetcher({}, at.stop);
    const Limited next({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = most});
    REQUIRE(next.done.ok());
    CHECK(at.sent == most);
    CHECK(is_golden(volume->data.content(), image));
}

TEST_CASE("a restore that may fetch no more keeps what it has written, and the next one goes on") {
    const GoldenImage image = test::image_of_300_blocks();
    const auto volume = half_done_volume(image);
    const Bytes most = needed(image);
    BreakingServer at(image);
    at.breaks_off_from = image.frame(200).offset.count();
    const Limited run({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = most});
    CHECK(run.is_refused());
    CHECK(at.sent <= most);
    CHECK(volume->bitmap().marked() == Blocks(3));
    CHECK(test::marks_of(volume->log()).count(blocks(200, 100)) == Blocks(3));
    CHECK(volume->log().record()->state == format::VolumeState::restoring);

    // In the same run nothing more comes, whoever asks.
    at.breaks_off_from = UINT64_MAX;
    const Bytes before = at.sent;
    CHECK(Limited({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = most}).is_refused());
    CHECK(at.sent <= most);
    at.sent = Bytes(0);
    at.fetcher = net::make_http_fetcher({}, at.stop);
    REQUIRE(Limited({volume->log(), volume->data}, at.source, *at.fetcher, {.max_fetch = most}).done.ok());
    CHECK(at.sent < before);
    CHECK(is_golden(volume->data.content(), image));
    CHECK(volume->bitmap().marked() == Blocks(0));
}

TEST_CASE("of a source that is no server as much as it takes is read") {
    const GoldenImage image = test::image_of_300_blocks();
    const auto volume = make_session_volume(image, usual_session);
    const test::TemporaryDirectory directory;
    store::Source source = image.source();
    for (const auto& [url, content] :
         {std::pair(&source.data_url, &image.frames), std::pair(&source.index_url, &image.index_file),
          std::pair(&source.tree_url, &image.tree_file)}) {
        test::write_file(directory / url->file_name(), std::string(as_text(*content)));
        *url = test::url("file://" + (directory / url->file_name()).string());
    }
    const StopFlag stop;
    const auto fetcher = net::make_http_fetcher({}, stop);
    REQUIRE(Limited({volume->log(), volume->data}, source, *fetcher, {.max_fetch = Bytes(0)}).done.ok());
    CHECK(is_golden(volume->data.content(), image));
}

TEST_CASE("a restore is refused before it writes, or ends well, also beside a copy that is wrong") {
    const GoldenImage image = test::image_of_300_blocks();
    ByteVector content(image.unpadded().begin(), image.unpadded().end());
    content[4 * 4096] ^= std::byte{1};
    test::MemoryStorage copy(content);
    const store::Source source = image.source();
    const bool read_back = GENERATE(false, true);
    unsigned refused = 0;
    unsigned done = 0;
    for (Bytes most; done < 2; most += Bytes(101)) {
        const auto volume = half_done_volume(image);
        FakeFetcher fetcher(image);
        const Limited run({volume->log(), volume->data}, source, fetcher,
                          {.max_fetch = most, .read_back = read_back}, {.golden_copy = &copy});
        if (run.done) {
            ++done;
            continue;
        }
        ++refused;
        REQUIRE(run.is_refused());
        REQUIRE(volume->journal.entries.empty());
    }
    CHECK(refused > 100);
}

namespace {

// 1800 hash blocks above blocks of zeros, with a block among them that is not: all alike.
constexpr std::uint64_t leaves = 1800;
constexpr std::uint64_t image_blocks = leaves * 128;

ByteVector odd_block() {
    return test::make_golden_image(test::block_size_of(4096), KiB(4), [](std::uint64_t) { return false; })
        .padded;
}

bool is_odd(std::uint64_t block) {
    return block % 128 == 5;
}

GoldenImage wide_image() {
    const BlockSize block_size = test::block_size_of(4096);
    GoldenImage image{.manifest = test::manifest_of(block_size, block_size.bytes_of(Blocks(image_blocks))),
                      .padded = {},
                      .tree_file = {},
                      .frames = {},
                      .index_file = ByteVector(image_blocks / 32 * 104)};
    codec::SaltedSha256 hash(image.manifest.salt);
    codec::Compressor compressor(1);
    const ByteVector odd = odd_block();
    ByteVector odd_frame(codec::longest_frame(Bytes(4096)).count());
    odd_frame.resize(compressor.compress(odd, odd_frame).value().count());
    const ByteVector zero_frame(20);  // which nobody reads
    const Digest odd_digest = hash(odd);
    const Digest zero_digest = hash(ByteVector(4096));
    std::vector<Digest> digests;
    for (std::uint64_t i = 0; i < image_blocks; ++i) {
        digests.push_back(is_odd(i) ? odd_digest : zero_digest);
        const ByteVector& frame = is_odd(i) ? odd_frame : zero_frame;
        std::byte* const page = image.index_file.data() + i / 32 * 104;
        const std::uint64_t offset = image.frames.size();
        const std::uint64_t length = frame.size();
        if (i % 32 == 0) std::memcpy(page, &offset, sizeof(offset));
        std::memcpy(page + 8 + i % 32 * 3, &length, 3);
        image.frames.insert(image.frames.end(), frame.begin(), frame.end());
    }
    image.set_tree(std::move(digests));
    return image;
}

// A disk that holds the odd block where something was written, and zeros elsewhere.
class WideStorage final : public block::Storage {
  public:
    const std::string& name() const override { return name_; }
    Bytes size() const override { return Bytes(image_blocks * 4096); }
    Bytes alignment() const override { return Bytes(512); }
    Result<void> read(Bytes offset, ByteSpan into) override {
        std::ranges::fill(into, std::byte{0});
        for (std::size_t at = 0; at < into.size(); at += 4096)
            if (written.test(BlockIndex((offset.count() + at) / 4096)))
                std::ranges::copy(odd_, into.begin() + static_cast<std::ptrdiff_t>(at));
        return {};
    }
    Result<void> write(Bytes offset, ConstByteSpan from) override {
        written.insert({BlockIndex(offset.count() / 4096), Blocks(from.size() / 4096)});
        return {};
    }
    Result<void> zero(Bytes, Bytes) override { return Error{Failure::disk, "not to be zeroed"}; }
    Result<void> flush() override { return {}; }
    BlockSet written{Blocks(image_blocks)};

  private:
    const std::string name_ = "the disk";
    const ByteVector odd_ = odd_block();
};

}  // namespace

TEST_CASE("what is read once more of a tree that is not held whole counts as what is to be fetched") {
    const GoldenImage image = wide_image();
    const store::Source source = image.source();
    const format::LogGeometry geometry =
        *format::LogGeometry::make(image.manifest.size, image.manifest.block_size);
    // Of each third hash block: those between are read with them.
    std::vector<BlockRange> session;
    for (std::uint64_t leaf = 0; leaf < leaves; leaf += 3)
        session.push_back(blocks(leaf * 128 + 5, 1));
    const bool read_back = GENERATE(false, true);
    Bytes fetched;
    bool is_untouched = false;
    const auto may_fetch = [&](Bytes most) {
        test::MemoryStorage log_device(geometry.log_length());
        format::ImageRecord record = test::record_of(format::VolumeState::restoring, 1);
        record.manifest = format::serialize_manifest(image.manifest);
        log::WriteLog log = *log::WriteLog::format(log_device, geometry, record);
        const BlockRange all = blocks(0, image_blocks);
        REQUIRE(log.bitmap().clear({&all, 1}).ok());
        REQUIRE(log.bitmap().mark(session).ok());
        WideStorage disk;
        FakeFetcher fetcher(image);
        const Limited run({log, disk}, source, fetcher, {.max_fetch = most, .read_back = read_back});
        fetched = run.restore.report().bytes_fetched;
        is_untouched = disk.written.empty();
        if (!run.done) REQUIRE(run.is_refused());
        return run.done.ok();
    };
    REQUIRE(may_fetch(MiB(100)));
    const Bytes all = fetched;
    CHECK_FALSE(may_fetch(all - Bytes(1)));
    CHECK(is_untouched);
    // What is held of the levels above is counted as well.
    CHECK(may_fetch(all + KiB(128)));
    for (Bytes most = all; !may_fetch(most); most += KiB(16))
        REQUIRE(is_untouched);
}

}  // namespace regild::volume
