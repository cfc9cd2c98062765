// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/block_set.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace regild {
namespace {

constexpr std::uint64_t word_bits = 64;
constexpr std::uint64_t chunk_words = 512;
constexpr std::uint64_t chunk_bits = chunk_words * word_bits;

// Bits `from` to `to` - 1 of a word; to is at most 64.
constexpr std::uint64_t word_mask(std::uint64_t from, std::uint64_t to) {
    const std::uint64_t up_to = to == word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
    return up_to & ~((std::uint64_t{1} << from) - 1);
}

// Calls visit(chunk, from, to) for the bits `first` to `end` - 1, those of each chunk counted from its start.
template <class Chunks, class Visit>
void for_chunks(Chunks& chunks, std::uint64_t first, std::uint64_t end, Visit visit) {
    while (first < end) {
        const std::uint64_t start = first / chunk_bits * chunk_bits;
        const std::uint64_t stop = std::min(end, start + chunk_bits);
        visit(chunks[first / chunk_bits], first - start, stop - start);
        first = stop;
    }
}

// Calls visit(word, mask) for each word that the bits `first` to `end` - 1 touch.
template <class Words, class Visit>
void for_words(Words& words, std::uint64_t first, std::uint64_t end, Visit visit) {
    while (first < end) {
        const std::uint64_t word = first / word_bits;
        const std::uint64_t stop = std::min(end, (word + 1) * word_bits);
        visit(words[word], word_mask(first - word * word_bits, stop - word * word_bits));
        first = stop;
    }
}

template <class Visit>
void for_each_run(const BlockSet& set, BlockRange within, Visit visit) {
    BlockIndex position = within.first;
    while (const std::optional<BlockRange> run = set.next_run({position, within.end() - position})) {
        visit(*run);
        position = run->end();
    }
}

}  // namespace

BlockSet::BlockSet(BlockRange range, bool all)
    : range_(range), chunks_(divide_up(range.count.count(), chunk_bits)) {
    if (all) insert(range);
}

bool BlockSet::contains(BlockRange range) const {
    return range.first >= range_.first && range.first <= range.end() && range.end() <= range_.end();
}

Blocks BlockSet::count(BlockRange within) const {
    assert(contains(within));
    std::uint64_t count = 0;
    for_chunks(chunks_, (within.first - range_.first).count(), (within.end() - range_.first).count(),
               [&count](const Chunk& chunk, std::uint64_t from, std::uint64_t to) {
                   if (chunk.empty()) return;
                   for_words(chunk, from, to, [&count](const std::uint64_t& word, std::uint64_t mask) {
                       count += static_cast<std::uint64_t>(std::popcount(word & mask));
                   });
               });
    return Blocks(count);
}

bool BlockSet::test(BlockIndex block) const {
    assert(contains({block, Blocks(1)}));
    const std::uint64_t bit = (block - range_.first).count();
    const Chunk& chunk = chunks_[bit / chunk_bits];
    return !chunk.empty() && (chunk[bit % chunk_bits / word_bits] >> (bit % word_bits) & 1) != 0;
}

void BlockSet::insert(BlockRange range) {
    assert(contains(range));
    for_chunks(chunks_, (range.first - range_.first).count(), (range.end() - range_.first).count(),
               [](Chunk& chunk, std::uint64_t from, std::uint64_t to) {
                   chunk.resize(chunk_words);
                   for_words(chunk, from, to, [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
               });
}

void BlockSet::erase(BlockRange range) {
    assert(contains(range));
    for_chunks(chunks_, (range.first - range_.first).count(), (range.end() - range_.first).count(),
               [](Chunk& chunk, std::uint64_t from, std::uint64_t to) {
                   if (chunk.empty()) return;
                   for_words(chunk, from, to, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
               });
}

void BlockSet::append(const BlockSet& next) {
    assert(next.range_.first == range_.end());
    range_.count += next.range_.count;
    chunks_.resize(divide_up(range_.count.count(), chunk_bits));
    for_each_run(next, next.range_, [this](BlockRange run) { insert(run); });
}

// The first bit from `from` to `end` - 1 that is set, or is not if it is to be no member; or `end`.
std::uint64_t BlockSet::find_bit(std::uint64_t from, std::uint64_t end, bool member) const {
    const std::uint64_t flip = member ? 0 : ~std::uint64_t{0};
    while (from < end) {
        const Chunk& chunk = chunks_[from / chunk_bits];
        if (chunk.empty()) {
            if (!member) return from;
            from = (from / chunk_bits + 1) * chunk_bits;
            continue;
        }
        const std::uint64_t word = from / word_bits;
        const std::uint64_t rest =
            (chunk[word % chunk_words] ^ flip) & word_mask(from % word_bits, word_bits);
        if (rest != 0) return std::min<std::uint64_t>(end, word * word_bits + std::countr_zero(rest));
        from = (word + 1) * word_bits;
    }
    return end;
}

std::optional<BlockRange> BlockSet::next_run(BlockRange within) const {
    assert(contains(within));
    const std::uint64_t end = (within.end() - range_.first).count();
    const std::uint64_t first = find_bit((within.first - range_.first).count(), end, true);
    if (first == end) return std::nullopt;
    const std::uint64_t stop = find_bit(first, end, false);
    return BlockRange{range_.first + Blocks(first), Blocks(stop - first)};
}

bool BlockSet::operator==(const BlockSet& other) const {
    return range_ == other.range_ && runs_of(*this, range_) == runs_of(other, range_);
}

BlockSet difference(const BlockSet& set, const BlockSet& without, BlockRange within) {
    BlockSet rest(within);
    for_each_run(set, within, [&](BlockRange run) { rest.insert(run); });
    for_each_run(without, within, [&](BlockRange run) { rest.erase(run); });
    return rest;
}

std::vector<BlockRange> runs_of(const BlockSet& set, BlockRange within) {
    std::vector<BlockRange> runs;
    for_each_run(set, within, [&](BlockRange run) { runs.push_back(run); });
    return runs;
}

}  // namespace regild
