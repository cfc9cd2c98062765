// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/tree_reader.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::GoldenImage;
using test::make_golden_image;

const BlockSize block_size = test::block_size_of(4096);

GoldenImage image_of(std::uint64_t blocks, const std::function<bool(std::uint64_t)>& is_zero) {
    return make_golden_image(block_size, block_size.bytes_of(Blocks(blocks)), is_zero);
}

BlockSet set_of(std::uint64_t size, std::initializer_list<std::uint64_t> members) {
    BlockSet set{Blocks(size)};
    for (const std::uint64_t member : members)
        set.insert({BlockIndex(member), Blocks(1)});
    return set;
}

constexpr auto never = [](std::uint64_t) { return false; };

Bytes tree_bytes(const FakeFetcher& fetcher) {
    Bytes sum;
    for (const FakeFetcher::Request& request : fetcher.requests)
        sum += request.length;
    return sum;
}

TEST_CASE("a tree of three levels gives every block's digest") {
    const GoldenImage image = image_of(128 * 128 + 3, never);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    const BlockSet all(image.manifest.blocks(), true);
    codec::SaltedSha256 hash(image.manifest.salt);
    const Result<BlockIndex> until = tree.load(all, BlockIndex(0));
    REQUIRE(until.ok());
    REQUIRE(*until == BlockIndex(128 * 128 + 3));
    for (const std::uint64_t n : {0, 127, 128, 5000, 16383, 16384, 16386})
        REQUIRE(tree.digest(BlockIndex(n)) == hash(image.block(n)));
}

TEST_CASE("only the hash blocks above the wanted blocks are read") {
    const GoldenImage image = image_of(128 * 128 + 3, never);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    REQUIRE(tree.load(set_of(128 * 128 + 3, {200, 201, 9000}), BlockIndex(0)).ok());
    // The root's block with both of the middle level, two of level 0 that lie far apart.
    REQUIRE(tree_bytes(fetcher) == Bytes(5 * 4096));
    REQUIRE(fetcher.requests.size() == 3);
}

TEST_CASE("two hash blocks with a small gap between them are read with what lies there") {
    const GoldenImage image = image_of(128 * 20, never);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    codec::SaltedSha256 hash(image.manifest.salt);
    REQUIRE(tree.load(set_of(128 * 20, {0, 5 * 128, 15 * 128}), BlockIndex(0)).ok());
    // The top block; blocks 0 to 5 with four unwanted ones, in two parts; block 15.
    REQUIRE(fetcher.requests.size() == 4);
    REQUIRE(tree_bytes(fetcher) == Bytes((1 + 6 + 1) * 4096));
    REQUIRE(tree.digest(BlockIndex(5 * 128)) == hash(image.block(5 * 128)));
}

TEST_CASE("no request for a few hash blocks is longer than what a new connection brings at once") {
    const GoldenImage image = image_of(128 * 40, never);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    REQUIRE(tree.load(BlockSet(Blocks(128 * 40), true), BlockIndex(0)).ok());
    CHECK(fetcher.requests.size() == 1 + 14);  // the top, and 40 below it
    for (const auto& request : fetcher.requests)
        CHECK(request.length <= Bytes(3 * 4096));
}

TEST_CASE("what an earlier part of the tree held is not read again") {
    // 513 hash blocks of level 0 do not fit at once.
    const BlockSize size = test::block_size_of(4096);
    const std::uint64_t blocks = 513 * 128;
    const GoldenImage image =
        make_golden_image(size, size.bytes_of(Blocks(blocks)), [](std::uint64_t n) { return n % 128 != 0; });
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    const BlockSet all(Blocks(blocks), true);
    codec::SaltedSha256 hash(image.manifest.salt);
    const Result<BlockIndex> first = tree.load(all, BlockIndex(0));
    REQUIRE(first.ok());
    REQUIRE(*first == BlockIndex(512 * 128));
    REQUIRE(tree.digest(BlockIndex(511 * 128)) == hash(image.block(511 * 128)));
    const Result<BlockIndex> second = tree.load(all, *first);
    REQUIRE(second.ok());
    REQUIRE(*second == BlockIndex(blocks));
    REQUIRE(tree.digest(BlockIndex(512 * 128)) == hash(image.block(512 * 128)));
    REQUIRE(tree_bytes(fetcher) == Bytes(image.tree_file.size() - 4096));
}

TEST_CASE("hash blocks that arrived before the network failed are not asked for again") {
    const GoldenImage image = image_of(128 * 64, never);
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    codec::SaltedSha256 hash(image.manifest.salt);
    const BlockSet wanted = set_of(128 * 64, {0, 20 * 128, 40 * 128, 60 * 128});  // too far apart to join
    unsigned failed = 0;
    for (fetcher.fail_in = 1; !tree.load(wanted, BlockIndex(0)).ok(); fetcher.fail_in = 1)
        REQUIRE(++failed < 5);
    CHECK(failed == 4);
    CHECK(tree_bytes(fetcher) == Bytes(5 * 4096));
    for (const std::uint64_t n : {0, 20 * 128, 60 * 128})
        CHECK(tree.digest(BlockIndex(n)) == hash(image.block(n)));
}

TEST_CASE("a subtree of zeros is known without a request") {
    const GoldenImage image = image_of(128 * 128, [](std::uint64_t n) { return n != 7; });
    const Source source = image.source();
    FakeFetcher fetcher(image);
    TreeReader tree(source, fetcher);
    const BlockSet all(image.manifest.blocks(), true);
    REQUIRE(tree.load(all, BlockIndex(0)).ok());
    REQUIRE(fetcher.requests.size() == 2);  // the top block and the one above block 7
    REQUIRE(tree.digest(BlockIndex(6)) == tree.zero_digest());
    REQUIRE(tree.digest(BlockIndex(7)) != tree.zero_digest());
    REQUIRE(tree.digest(BlockIndex(16383)) == tree.zero_digest());
}

TEST_CASE("a volume of one block has no tree: its hash is the root hash") {
    const GoldenImage image = image_of(1, never);
    const Source source = image.source();
    FakeFetcher fetcher;
    TreeReader tree(source, fetcher);
    REQUIRE(*tree.load(set_of(1, {0}), BlockIndex(0)) == BlockIndex(1));
    REQUIRE(tree.digest(BlockIndex(0)) == image.manifest.root_hash);
    REQUIRE(fetcher.requests.empty());
}

TEST_CASE("a flipped bit at any level of the tree is found") {
    const GoldenImage image = image_of(128 * 128 + 3, never);
    const Source source = image.source();
    // The top block, the first of the middle level, the first of level 0.
    for (const std::size_t at : {4096, 2 * 4096, 4 * 4096}) {
        FakeFetcher fetcher(image);
        fetcher.files[source.tree_url.with_credentials()][at + 17] ^= std::byte{1};
        TreeReader tree(source, fetcher);
        const Result<BlockIndex> until = tree.load(set_of(128 * 128 + 3, {0}), BlockIndex(0));
        REQUIRE_FALSE(until.ok());
        REQUIRE(until.error().kind == Failure::source);
        REQUIRE(until.error().message.find("does not match") != std::string::npos);
    }
}

}  // namespace
}  // namespace regild::store
