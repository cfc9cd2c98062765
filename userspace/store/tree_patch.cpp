// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/tree_patch.hpp"

#include <algorithm>

namespace regild::store {

using format::hashes_per_block;

TreePatch::TreePatch(const TreeReader& tree, const format::Manifest& manifest)
    : tree_(tree),
      data_blocks_(manifest.blocks()),
      shape_(manifest.blocks()),
      hash_(manifest.salt),
      levels_(shape_.levels()),
      root_(manifest.root_hash) {}

void TreePatch::put(HashBlock& block, std::uint64_t child, const Digest& digest) {
    std::ranges::copy(digest,
                      block.begin() + static_cast<std::ptrdiff_t>(child % hashes_per_block * sizeof(Digest)));
}

// As it is in the image as it was.
void TreePatch::open(unsigned level, std::uint64_t index) {
    const std::uint64_t children = level == 0 ? data_blocks_.count() : shape_.blocks_in_level(level - 1);
    Open& opened = levels_[level].emplace(Open{index, {}});
    const std::uint64_t end = std::min(children, (index + 1) * hashes_per_block);
    for (std::uint64_t child = index * hashes_per_block; child < end; ++child)
        put(opened.block, child, tree_.digest(level, child));
}

void TreePatch::close(unsigned level) {
    const Open closed = *levels_[level];
    levels_[level].reset();
    const Digest digest = hash_(closed.block);
    if (level + 1 == levels_.size())
        root_ = digest;
    else
        put(levels_[level + 1]->block, closed.index, digest);
}

void TreePatch::set(BlockIndex block, const Digest& digest) {
    if (levels_.empty()) {
        root_ = digest;
        return;
    }
    // What ends is put into what is above it before that ends.
    std::uint64_t index = block.value() / hashes_per_block;
    for (unsigned level = 0; level < levels_.size(); ++level, index /= hashes_per_block)
        if (levels_[level] && levels_[level]->index != index) close(level);
    index = block.value() / hashes_per_block;
    for (unsigned level = 0; level < levels_.size(); ++level, index /= hashes_per_block)
        if (!levels_[level]) open(level, index);
    put(levels_[0]->block, block.value(), digest);
}

Digest TreePatch::root_hash() {
    for (unsigned level = 0; level < levels_.size(); ++level)
        if (levels_[level]) close(level);
    return root_;
}

}  // namespace regild::store
