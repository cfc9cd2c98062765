// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/tree_patch.hpp"

#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::GoldenImage;

// Of an image of so many blocks in which these became others, by a patch piece after piece.
void check_root(std::uint64_t size, const std::vector<std::uint64_t>& changed) {
    const BlockSize block_size = test::block_size_of(4096);
    const GoldenImage image = test::make_golden_image(block_size, block_size.bytes_of(Blocks(size)),
                                                      [](std::uint64_t n) { return n % 7 != 0; });
    GoldenImage other = image;
    FakeFetcher fetcher(image);
    const Source source = image.source();
    TreeReader tree(source, fetcher);
    TreePatch patch(tree, image.manifest);
    codec::SaltedSha256 hash(image.manifest.salt);

    BlockSet wanted(image.manifest.blocks());
    for (const std::uint64_t block : changed)
        wanted.insert({BlockIndex(block), Blocks(1)});
    auto next = changed.begin();
    for (BlockIndex at; at < wanted.range().end();) {
        const Result<BlockIndex> until = tree.load(wanted, at);
        REQUIRE(until.ok());
        for (; next != changed.end() && BlockIndex(*next) < *until; ++next) {
            other.padded[*next * 4096] ^= std::byte{1};
            patch.set(BlockIndex(*next), hash(other.block(*next)));
        }
        at = *until;
    }
    other.make_tree();
    CHECK(patch.root_hash() == other.manifest.root_hash);
}

}  // namespace

TEST_CASE("a patched tree has the root hash of the changed image") {
    check_root(1, {0});
    check_root(2, {1});
    check_root(128, {0, 127});
    check_root(129, {127, 128});
    check_root(300, {0, 1, 130, 255, 256, 299});
    check_root(17000, {0, 16383, 16384, 16999});
}

TEST_CASE("a patch goes on where the tree reader has forgotten what it read before") {
    // More hash blocks than a tree reader holds.
    std::vector<std::uint64_t> changed;
    for (std::uint64_t block = 5; block < 66000; block += 100)
        changed.push_back(block);
    check_root(66000, changed);
}

TEST_CASE("a patch without a block has the root hash of the image") {
    check_root(300, {});
}

}  // namespace regild::store
