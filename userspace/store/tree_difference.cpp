// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/tree_difference.hpp"

#include <algorithm>

namespace regild::store {
namespace {

using Found = std::function<Result<void>(std::span<const BlockRange>)>;

class Walk {
  public:
    Walk(const Source& a, const Source& b, net::Fetcher& fetcher, Cache* cache, const Found& found)
        : shape_(a.manifest.blocks()),
          blocks_(a.manifest.blocks().count()),
          a_(a, fetcher, cache),
          b_(b, fetcher, cache),
          found_(found) {}

    Result<void> from_the_top() {
        if (shape_.levels() > 0) return below(shape_.levels() - 1, {0});
        const BlockRange only{BlockIndex(0), Blocks(1)};
        return found_({&only, 1});
    }

    bool a_is_gone() const { return a_is_gone_; }

  private:
    // `indices`: hash blocks of `level` that differ. As many at a time as the readers hold; what lies above
    // them they hold meanwhile.
    Result<void> below(unsigned level, const std::vector<std::uint64_t>& indices) {
        for (std::size_t at = 0; at < indices.size(); at += TreeReader::max_held) {
            const auto first = indices.begin() + static_cast<std::ptrdiff_t>(at);
            const auto count = std::min(indices.size() - at, TreeReader::max_held);
            const std::vector<std::uint64_t> some(first, first + static_cast<std::ptrdiff_t>(count));
            if (Result<void> loaded = b_.load_level(level, some); !loaded) return loaded;
            if (Result<void> loaded = a_.load_level(level, some); !loaded) {
                a_is_gone_ = loaded.error().kind == Failure::source;
                return loaded;
            }
            const std::vector<std::uint64_t> children = differing(level, some);
            if (Result<void> done = level == 0 ? tell(children) : below(level - 1, children); !done)
                return done;
        }
        return {};
    }

    std::vector<std::uint64_t> differing(unsigned level, const std::vector<std::uint64_t>& indices) const {
        const std::uint64_t end = level == 0 ? blocks_ : shape_.blocks_in_level(level - 1);
        std::vector<std::uint64_t> children;
        for (const std::uint64_t index : indices) {
            const std::uint64_t first = index * format::hashes_per_block;
            for (std::uint64_t child = first; child < std::min(end, first + format::hashes_per_block);
                 ++child)
                if (a_.digest(level, child) != b_.digest(level, child)) children.push_back(child);
        }
        return children;
    }

    Result<void> tell(const std::vector<std::uint64_t>& blocks) {
        std::vector<BlockRange> ranges;
        for (const std::uint64_t block : blocks) {
            if (ranges.empty() || ranges.back().end() != BlockIndex(block))
                ranges.push_back({BlockIndex(block), Blocks(0)});
            ranges.back().count += Blocks(1);
        }
        return ranges.empty() ? Result<void>() : found_(ranges);
    }

    const format::HashTreeShape shape_;
    const std::uint64_t blocks_;
    TreeReader a_;
    TreeReader b_;
    const Found& found_;
    bool a_is_gone_ = false;
};

}  // namespace

Result<bool> for_each_difference(const Source& a, const Source& b, net::Fetcher& fetcher, Cache* cache,
                                 const Found& found) {
    if (a.manifest.root_hash == b.manifest.root_hash) return true;
    Walk walk(a, b, fetcher, cache, found);
    if (Result<void> walked = walk.from_the_top(); !walked && !walk.a_is_gone()) return walked.error();
    return !walk.a_is_gone();
}

Result<void> check_tree(const Source& source, net::Fetcher& fetcher, Cache* cache) {
    const unsigned levels = format::HashTreeShape(source.manifest.blocks()).levels();
    return levels == 0 ? Result<void>() : TreeReader(source, fetcher, cache).load_level(levels - 1, {0});
}

}  // namespace regild::store
