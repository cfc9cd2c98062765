// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/hash_tree.hpp"

#include <catch2/catch.hpp>
#include <cstring>

#include "codec/sha256.hpp"
#include "format/manifest.hpp"
#include "format_golden.hpp"

using namespace regild;
using namespace regild::format;

namespace {

// As tests/data/make describes it.
ByteVector golden_data_block(unsigned index) {
    ByteVector block(4096);
    if (index % 10 == 3) return block;
    codec::SaltedSha256 plain({});
    const Digest digest = plain(as_bytes("regild block " + std::to_string(index)));
    for (std::size_t at = 0; at < block.size(); at += digest.size())
        std::memcpy(block.data() + at, digest.data(), digest.size());
    return block;
}

}  // namespace

TEST_CASE("a hash tree has as many levels as hashes of hashes are needed") {
    CHECK(HashTreeShape(Blocks(1)).levels() == 0);
    CHECK(HashTreeShape(Blocks(1)).file_size() == KiB(4));
    CHECK(HashTreeShape(Blocks(2)).levels() == 1);
    CHECK(HashTreeShape(Blocks(128)).levels() == 1);
    CHECK(HashTreeShape(Blocks(128)).file_size() == KiB(8));

    const HashTreeShape two(Blocks(129));
    CHECK(two.levels() == 2);
    CHECK(two.blocks_in_level(0) == 2);
    CHECK(two.blocks_in_level(1) == 1);
    CHECK(two.offset_of(1, 0) == KiB(4));  // the top comes first
    CHECK(two.offset_of(0, 0) == KiB(8));
    CHECK(two.offset_of(0, 1) == KiB(12));
    CHECK(two.file_size() == KiB(16));

    const HashTreeShape largest(Blocks(std::uint64_t{1} << 31));
    CHECK(largest.levels() == 5);
    CHECK(largest.blocks_in_level(0) == std::uint64_t{1} << 24);
    CHECK(largest.blocks_in_level(4) == 1);
}

TEST_CASE("veritysetup's tree has the superblock, the shape and the hashes that we expect") {
    const ByteVector tree = test::golden_bytes("tree-small.verity");
    const Manifest manifest = *parse_manifest(test::golden_text("manifest.json"));
    REQUIRE(manifest.blocks() == Blocks(300));

    const auto superblock = serialize_verity_superblock(manifest.tree_uuid, manifest.block_size,
                                                        manifest.blocks(), manifest.salt);
    CHECK(std::equal(superblock.begin(), superblock.end(), tree.begin()));

    const HashTreeShape shape(manifest.blocks());
    REQUIRE(Bytes(tree.size()) == shape.file_size());
    codec::SaltedSha256 hash(manifest.salt);
    const auto hash_block = [&](unsigned level, std::uint64_t index) {
        return ConstByteSpan(tree).subspan(shape.offset_of(level, index).count(), hash_block_size);
    };
    const auto matches = [&](const Digest& digest, unsigned level, std::uint64_t child) {
        const ConstByteSpan stored = hash_block(level, child / hashes_per_block)
                                         .subspan(child % hashes_per_block * digest.size(), digest.size());
        return std::equal(digest.begin(), digest.end(), stored.begin());
    };
    for (unsigned block = 0; block < 300; ++block)
        REQUIRE(matches(hash(golden_data_block(block)), 0, block));
    for (std::uint64_t index = 0; index < shape.blocks_in_level(0); ++index)
        REQUIRE(matches(hash(hash_block(0, index)), 1, index));
    CHECK(hash(hash_block(1, 0)) == manifest.root_hash);
}
