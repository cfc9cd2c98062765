// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/nearby.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::GoldenImage;

constexpr NearbyKind near_kind{"near", "fetched along"};
constexpr NearbyKind far_kind{"far", "brought"};
const BlockSize block_size = test::block_size_of(65536);

// Of 100 blocks, of which every tenth is zero.
const GoldenImage& image() {
    static const GoldenImage image = test::make_golden_image(block_size, block_size.bytes_of(Blocks(100)),
                                                             [](std::uint64_t n) { return n % 10 == 9; });
    return image;
}

// Has what `has` says, and calls `at_work` while it gives it.
class FakeSource final : public NearbySource {
  public:
    using Has = std::function<bool(BlockIndex)>;
    FakeSource(
        const NearbyKind& kind, Has has, std::function<void()> at_work = [] {})
        : NearbySource(kind), has_(std::move(has)), at_work_(std::move(at_work)) {}
    bool may_have(BlockIndex block, const Digest&) override { return has_(block); }
    std::optional<ByteVector> take(BlockIndex block, const Digest&) override {
        if (busy_.exchange(true)) shared = true;
        at_work_();
        busy_ = false;
        if (!has_(block)) return std::nullopt;
        return ByteVector(1, static_cast<std::byte>(block.value()));
    }

    static inline std::atomic<bool> shared = false;  // several threads were in one object

  private:
    Has has_;
    std::function<void()> at_work_;
    std::atomic<bool> busy_ = false;
};

// The hash tree of the image, all of it.
struct Tree {
    Tree() { REQUIRE(reader.load(BlockSet(Blocks(100), true), BlockIndex()).ok()); }
    FakeFetcher fetcher{image()};
    const Source source = image().source();
    TreeReader reader{source, fetcher};
};

TEST_CASE("each source is asked for what those before it do not have, block after block") {
    const Tree tree;
    const auto open = [] {
        Nearby::Sources sources;
        sources.push_back(
            std::make_unique<FakeSource>(near_kind, [](BlockIndex block) { return block.value() % 2 == 0; }));
        sources.push_back(
            std::make_unique<FakeSource>(far_kind, [](BlockIndex block) { return block.value() % 3 != 2; }));
        return sources;
    };
    Nearby nearby(block_size, open, nullptr);
    BlockSet wanted(Blocks(100), true);
    wanted.erase({BlockIndex(40), Blocks(20)});
    const BlockIndex end(95);
    std::vector<std::uint64_t> seen;
    for (BlockIndex at(5); at < end;) {
        const Nearby::Part part = nearby.take_some(tree.reader, wanted, {at, end - at});
        REQUIRE(part.end > at);
        REQUIRE(part.blocks.size() <= 16);  // 1 MiB
        for (const Nearby::Wanted& block : part.blocks) {
            const std::uint64_t n = block.block.value();
            seen.push_back(n);
            CHECK(block.digest == tree.reader.digest(block.block));
            CHECK(nearby.may_have(block.block, block.digest) == block.found.has_value());
            REQUIRE(block.found.has_value() == (n % 2 == 0 || n % 3 != 2));
            if (!block.found) continue;
            CHECK(block.found->kind == (n % 2 == 0 ? &near_kind : &far_kind));
            CHECK(block.found->frame == ByteVector(1, static_cast<std::byte>(n)));
        }
        at = part.end;
    }
    std::vector<std::uint64_t> expected;
    for (std::uint64_t n = 5; n < 95; ++n)
        if ((n < 40 || n >= 60) && n % 10 != 9) expected.push_back(n);
    CHECK(seen == expected);
}

TEST_CASE("several threads look for what is nearby, each in sources of its own") {
    const Tree tree;
    std::mutex mutex;
    std::condition_variable changed;
    unsigned inside = 0;
    bool together = false;
    // Until another thread is here too; for long only where none comes.
    const auto wait_for_another = [&] {
        std::unique_lock lock(mutex);
        together = together || ++inside > 1;
        changed.notify_all();
        changed.wait_for(lock, std::chrono::seconds(10), [&] { return together; });
        --inside;
    };
    const auto open = [&] {
        Nearby::Sources sources;
        sources.push_back(std::make_unique<FakeSource>(
            near_kind, [](BlockIndex) { return true; }, wait_for_another));
        return sources;
    };
    FakeSource::shared = false;
    Nearby nearby(block_size, open, nullptr);
    const Nearby::Part part =
        nearby.take_some(tree.reader, BlockSet(Blocks(100), true), {BlockIndex(), Blocks(2)});
    REQUIRE(part.blocks.size() == 2);
    for (const Nearby::Wanted& block : part.blocks)
        CHECK(block.found->frame == ByteVector(1, static_cast<std::byte>(block.block.value())));
    CHECK(together);
    CHECK_FALSE(FakeSource::shared);
}

}  // namespace
}  // namespace regild::store
