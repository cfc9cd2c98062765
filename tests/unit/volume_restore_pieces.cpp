// SPDX-License-Identifier: GPL-2.0-or-later
// Restore of a volume whose marks are read in several pieces: the pieces behind are read while marks of those
// before are cleared.
#include <catch2/catch.hpp>

#include "volume/restore.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::FakeFetcher;
using test::GoldenImage;
using test::MemoryStorage;
using test::piece;

constexpr std::uint64_t image_blocks = 1 << 24;  // 64 GiB of zeros

// All its hash blocks but the top one are full of one digest each, so that only the top one is ever fetched.
GoldenImage zero_image() {
    const BlockSize block_size = test::block_size_of(4096);
    GoldenImage image{.manifest = test::manifest_of(block_size, block_size.bytes_of(Blocks(image_blocks))),
                      .padded = {},
                      .tree_file = ByteVector(8192),
                      .frames = {},
                      .index_file = {}};
    codec::SaltedSha256 hash(image.manifest.salt);
    Digest digest = hash(ByteVector(4096));
    const auto block_of = [&digest](std::size_t hashes) {
        ByteVector block(4096);
        for (std::size_t i = 0; i < hashes; ++i)
            std::memcpy(block.data() + i * digest.size(), digest.data(), digest.size());
        return block;
    };
    for (std::uint64_t left = image_blocks; left > 128; left /= 128)
        digest = hash(block_of(128));
    const ByteVector top = block_of(image_blocks / (128 * 128 * 128));
    std::ranges::copy(top, image.tree_file.begin() + 4096);
    image.manifest.root_hash = hash(top);
    return image;
}

// 64 GiB that can only be zeroed, and tells where it was.
class ZeroedStorage final : public block::Storage {
  public:
    const std::string& name() const override { return name_; }
    Bytes size() const override { return block_size_.bytes_of(zeroed.range().count); }
    Bytes alignment() const override { return Bytes(512); }
    Result<void> read(Bytes, ByteSpan) override { return Error{Failure::disk, "not to be read"}; }
    Result<void> write(Bytes, ConstByteSpan) override { return Error{Failure::disk, "not to be written"}; }
    Result<void> zero(Bytes offset, Bytes length) override {
        const BlockIndex first(offset.count() / block_size_.bytes().count());
        zeroed.insert({first, block_size_.blocks_in(length)});
        return {};
    }
    Result<void> flush() override { return {}; }
    BlockSet zeroed{Blocks(image_blocks)};

  private:
    const std::string name_ = "the disk";
    const BlockSize block_size_ = test::block_size_of(4096);
};

TEST_CASE("marks in all pieces are restored, and nothing else") {
    const GoldenImage image = zero_image();
    const format::LogGeometry geometry =
        *format::LogGeometry::make(image.manifest.size, image.manifest.block_size);
    MemoryStorage log_device(geometry.log_length());
    format::ImageRecord record = test::record_of(format::VolumeState::golden, 1);
    record.manifest = format::serialize_manifest(image.manifest);
    Result<log::WriteLog> log = log::WriteLog::format(log_device, geometry, record);
    REQUIRE(log.ok());
    const BlockRange all = test::blocks(0, image_blocks);
    REQUIRE(log->bitmap().clear({&all, 1}).ok());

    // Apart, so that each is a step of its own and a batch holds 8192 of them.
    BlockSet marked{Blocks(image_blocks)};
    std::vector<BlockRange> session;
    for (std::uint64_t i = 0; i < 20000; ++i)
        for (const std::uint64_t begin :
             {std::uint64_t{0}, piece - 40000, piece + 2, 2 * piece - 40000, 2 * piece})
            session.push_back(test::blocks(begin + 2 * i, 1));
    session.push_back(test::blocks(image_blocks - 1, 1));
    for (const BlockRange& range : session)
        marked.insert(range);
    REQUIRE(log->bitmap().mark(session).ok());

    ZeroedStorage disk;
    FakeFetcher fetcher(image);
    test::SilentObserver observer;
    const Result<RestoreReport> report = test::restore_once({*log, disk}, image, fetcher, observer);
    REQUIRE(report.ok());
    CHECK(report->zeroed == marked.count());
    CHECK(disk.zeroed == marked);
    CHECK(fetcher.requests.size() == 1);
    CHECK(observer.last_done == observer.last_total);
    const log::WriteLog reopened = **log::WriteLog::open(log_device);
    CHECK(reopened.bitmap().marked() == Blocks(0));
    CHECK(reopened.record()->state == format::VolumeState::golden);
}

}  // namespace
}  // namespace regild::volume
