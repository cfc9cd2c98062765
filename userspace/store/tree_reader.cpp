// SPDX-License-Identifier: GPL-2.0-or-later
// The tree is walked top down, level by level, so that every block is checked against one that was checked.
#include "store/tree_reader.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace regild::store {
namespace {

// Reading this many unwanted hash blocks between two wanted ones costs less than a second request.
constexpr std::uint64_t max_gap = 4;
constexpr std::uint64_t max_request = 256;  // hash blocks: 1 MiB
// Hash blocks, gaps too, before those that have arrived are taken over: with the last request at most 2 MiB.
constexpr std::uint64_t max_fetched = 256;
// What a new connection brings before it waits for the first acknowledgement: 14,600 bytes, RFC 6928.
constexpr std::uint64_t first_window = 3;
// Over so many connections a request is spread: each begins slowly.
constexpr std::uint64_t connections = 16;

// The hash blocks of level 0 above the members of `wanted` from `from` on, at most max_held.
std::vector<std::uint64_t> leaves_above(const BlockSet& wanted, BlockIndex from) {
    std::vector<std::uint64_t> leaves;
    const BlockIndex end = wanted.range().end();
    for (BlockIndex at = from; leaves.size() < TreeReader::max_held;) {
        const std::optional<BlockRange> run = wanted.next_run({at, end - at});
        if (!run) break;
        std::uint64_t leaf = run->first.value() / format::hashes_per_block;
        if (!leaves.empty()) leaf = std::max(leaf, leaves.back() + 1);
        const std::uint64_t last = (run->end().value() - 1) / format::hashes_per_block;
        for (; leaf <= last && leaves.size() < TreeReader::max_held; ++leaf)
            leaves.push_back(leaf);
        at = run->end();
    }
    return leaves;
}

std::vector<Span> spread(const std::vector<Span>& spans) {
    std::uint64_t total = 0;
    for (const Span& span : spans)
        total += span.count;
    const std::uint64_t most = std::max(first_window, divide_up(total, connections));
    std::vector<Span> parts;
    for (const Span& span : spans)
        for (std::uint64_t at = 0; at < span.count; at += most)
            parts.push_back({span.first + at, std::min(most, span.count - at)});
    return parts;
}

std::vector<std::uint64_t> parents_of(const std::vector<std::uint64_t>& indices) {
    std::vector<std::uint64_t> parents;
    for (const std::uint64_t index : indices) {
        const std::uint64_t parent = index / format::hashes_per_block;
        if (parents.empty() || parents.back() != parent) parents.push_back(parent);
    }
    return parents;
}

}  // namespace

TreeReader::TreeReader(const Source& source, net::Fetcher& fetcher, Cache* cache)
    : source_(source),
      fetcher_(fetcher),
      cache_(cache),
      shape_(source.manifest.blocks()),
      hash_(source.manifest.salt),
      levels_(shape_.levels()) {
    const ByteVector zeros(source.manifest.block_size.bytes().count());
    zero_digests_.push_back(hash_(zeros));
    for (unsigned level = 0; level < shape_.levels(); ++level) {
        HashBlock block;
        for (std::size_t i = 0; i < format::hashes_per_block; ++i)
            std::ranges::copy(zero_digests_[level],
                              block.begin() + static_cast<std::ptrdiff_t>(i * sizeof(Digest)));
        zero_digests_.push_back(hash_(block));
    }
}

Result<BlockIndex> TreeReader::load(const BlockSet& wanted, BlockIndex from) {
    const BlockIndex end = wanted.range().end();
    if (levels_.empty()) return end;
    std::vector<std::vector<std::uint64_t>> indices{leaves_above(wanted, from)};
    if (indices[0].empty()) return end;
    while (indices.size() < levels_.size())
        indices.push_back(parents_of(indices.back()));
    if (Result<void> loaded = load_top(); !loaded) return loaded.error();
    for (unsigned level = shape_.levels(); level-- > 0;)
        if (Result<void> loaded = load_level(level, indices[level]); !loaded) return loaded.error();
    if (indices[0].size() < max_held) return end;
    return std::min(end, BlockIndex((indices[0].back() + 1) * format::hashes_per_block));
}

Bytes TreeReader::length_anew() const {
    std::uint64_t count = 0;
    for (unsigned level = 0; level < shape_.levels(); ++level) {
        std::optional<std::uint64_t> end;  // of those that are read
        for (const std::uint64_t index : levels_[level].indices) {
            if (expected(level, index) == zero_digests_[level + 1]) continue;
            if (end && index - *end <= max_gap) count += index - *end;
            count += 1;
            end = index + 1;
        }
    }
    return Bytes(count * format::hash_block_size);
}

Digest TreeReader::digest(BlockIndex block) const {
    return levels_.empty() ? source_.manifest.root_hash : digest_in(levels_[0], block.value());
}

// The digest that the level above holds of hash block `index` of `level`.
Digest TreeReader::expected(unsigned level, std::uint64_t index) const {
    return level + 1 == shape_.levels() ? source_.manifest.root_hash : digest_in(levels_[level + 1], index);
}

Digest TreeReader::digest_in(const Level& level, std::uint64_t child) {
    const auto found = std::ranges::lower_bound(level.indices, child / format::hashes_per_block);
    assert(found != level.indices.end() && *found == child / format::hashes_per_block);
    const HashBlock& block = level.blocks[static_cast<std::size_t>(found - level.indices.begin())];
    Digest digest;
    std::memcpy(digest.data(), block.data() + child % format::hashes_per_block * sizeof(Digest),
                sizeof(Digest));
    return digest;
}

Result<void> TreeReader::load_level(unsigned level, const std::vector<std::uint64_t>& indices) {
    const Level old = std::move(levels_[level]);
    Level fresh{indices, std::vector<HashBlock>(indices.size()), std::vector<bool>(indices.size(), true)};
    std::vector<std::uint64_t> missing;
    for (std::size_t i = 0; i < indices.size(); ++i) {
        const auto held =
            static_cast<std::size_t>(std::ranges::lower_bound(old.indices, indices[i]) - old.indices.begin());
        if (held < old.indices.size() && old.indices[held] == indices[i] && old.known[held]) {
            fresh.blocks[i] = old.blocks[held];
        } else if (expected(level, indices[i]) == zero_digests_[level + 1]) {
            // A subtree of zeros: its hash blocks are known without a request.
            for (std::size_t n = 0; n < format::hashes_per_block; ++n)
                std::memcpy(fresh.blocks[i].data() + n * sizeof(Digest), zero_digests_[level].data(),
                            sizeof(Digest));
        } else if (!take_from_cache(expected(level, indices[i]), fresh.blocks[i])) {
            missing.push_back(indices[i]);
            fresh.known[i] = false;
        }
    }
    Result<void> fetched = missing.empty() ? Result<void>() : fetch(level, missing, fresh);
    levels_[level] = std::move(fresh);
    return fetched;
}

// Of a small tree the two levels at its top, which lie one behind the other: together, or the second would
// cost a round trip more.
Result<void> TreeReader::load_top() {
    if (levels_.size() < 2 || std::exchange(top_tried_, true)) return {};
    const auto top = static_cast<unsigned>(levels_.size()) - 1;
    Level root{{0}, std::vector<HashBlock>(1), {true}};
    Level below;
    for (std::uint64_t index = 0; index < shape_.blocks_in_level(top - 1); ++index)
        below.indices.push_back(index);
    below.blocks.resize(below.indices.size());
    below.known.resize(below.indices.size(), true);
    if (below.indices.size() > max_gap) return {};
    const Digest& root_hash = source_.manifest.root_hash;
    if (root_hash == zero_digests_[top + 1] || take_from_cache(root_hash, root.blocks[0])) return {};

    ByteVector buffer;
    const auto block = [&](std::size_t number) {
        return ConstByteSpan(buffer).subspan(number * format::hash_block_size, format::hash_block_size);
    };
    const std::vector<net::Range> ranges = ranges_of(
        spread({{0, 1 + below.indices.size()}}), format::hash_block_size,
        [&](std::uint64_t number) {
            return shape_.offset_of(top, 0) + Bytes(number * format::hash_block_size);
        },
        buffer);
    const auto arrived = [&](std::size_t number) -> Result<void> {
        if (number > 0) return {};
        Result<void> taken = take(top, 0, block(0), root.blocks[0]);
        if (taken) levels_[top] = root;
        return taken;
    };
    Result<void> fetched = fetcher_.get_ranges(source_.tree_url, ranges, arrived, [](Bytes) {});
    if (!fetched) return fetched;
    // What is wrong below is not known, and asked for by itself.
    for (std::size_t i = 0; i < below.indices.size(); ++i)
        below.known[i] = take_from_cache(expected(top - 1, i), below.blocks[i]) ||
                         take(top - 1, i, block(1 + i), below.blocks[i]);
    levels_[top - 1] = below;
    return {};
}

bool TreeReader::take_from_cache(const Digest& digest, HashBlock& into) {
    if (!cache_) return false;
    const std::optional<ByteVector> chunk = cache_->get(digest, Bytes(into.size()));
    if (!chunk) return false;
    if (chunk->size() != into.size() || hash_(*chunk) != digest) {
        cache_->forget(digest);
        return false;
    }
    cache_->put(digest, *chunk);
    std::ranges::copy(*chunk, into.begin());
    return true;
}

Result<void> TreeReader::fetch(unsigned level, const std::vector<std::uint64_t>& missing, Level& into) {
    std::vector<Span> spans;
    std::uint64_t total = 0;  // hash blocks in `spans`
    for (const std::uint64_t index : missing) {
        if (!spans.empty() && index - (spans.back().first + spans.back().count) <= max_gap &&
            index - spans.back().first < max_request) {
            total += index + 1 - spans.back().first - spans.back().count;
            spans.back().count = index + 1 - spans.back().first;
            continue;
        }
        if (total >= max_fetched) {
            if (Result<void> fetched = fetch_spans(level, spans, missing, into); !fetched) return fetched;
            spans.clear();
            total = 0;
        }
        spans.push_back({index, 1});
        ++total;
    }
    return fetch_spans(level, spans, missing, into);
}

// What was fetched as a hash block, if it is the one.
Result<void> TreeReader::take(unsigned level, std::uint64_t index, ConstByteSpan block, HashBlock& into) {
    const Digest digest = expected(level, index);
    if (hash_(block) != digest)
        return Error{Failure::source, "hash block " + std::to_string(index) + " of level " +
                                          std::to_string(level) +
                                          " does not match the manifest's root hash: check the server and "
                                          "the caches before it"};
    std::ranges::copy(block, into.begin());
    if (cache_) cache_->put(digest, block);
    return {};
}

// Of what lies in `spans` only the blocks that are missing are verified and kept.
Result<void> TreeReader::fetch_spans(unsigned level, const std::vector<Span>& spans,
                                     const std::vector<std::uint64_t>& missing, Level& into) {
    ByteVector buffer;
    const std::vector<Span> parts = spread(spans);
    const std::vector<net::Range> ranges = ranges_of(
        parts, format::hash_block_size, [&](std::uint64_t index) { return shape_.offset_of(level, index); },
        buffer);

    const auto verify = [&](std::size_t number) -> Result<void> {
        const Span& span = parts[number];
        for (auto wanted = std::ranges::lower_bound(missing, span.first);
             wanted != missing.end() && *wanted < span.first + span.count; ++wanted) {
            const ConstByteSpan block = ranges[number].into.subspan(
                (*wanted - span.first) * format::hash_block_size, format::hash_block_size);
            const auto slot = static_cast<std::size_t>(std::ranges::lower_bound(into.indices, *wanted) -
                                                       into.indices.begin());
            if (Result<void> taken = take(level, *wanted, block, into.blocks[slot]); !taken) return taken;
            into.known[slot] = true;
        }
        return {};
    };
    return fetcher_.get_ranges(source_.tree_url, ranges, verify, [](Bytes) {});
}

}  // namespace regild::store
