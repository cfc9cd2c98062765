// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/block_set.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

namespace regild {
namespace {

constexpr unsigned word_bits = 64;

// Bits `from` to `to` - 1 of a word; to is at most 64.
constexpr std::uint64_t word_mask(std::uint64_t from, std::uint64_t to) {
    const std::uint64_t up_to = to == word_bits ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
    return up_to & ~((std::uint64_t{1} << from) - 1);
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

// The first bit from `from` to `end` - 1 that is set, with each word xored with `flip` first; or `end`.
std::uint64_t find_bit(const std::vector<std::uint64_t>& words, std::uint64_t from, std::uint64_t end,
                       std::uint64_t flip) {
    while (from < end) {
        const std::uint64_t word = from / word_bits;
        const std::uint64_t rest = (words[word] ^ flip) & word_mask(from % word_bits, word_bits);
        if (rest != 0) return std::min<std::uint64_t>(end, word * word_bits + std::countr_zero(rest));
        from = (word + 1) * word_bits;
    }
    return end;
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

BlockSet::BlockSet(BlockRange range, bool all) : range_(range) {
    if (all) insert(range);
}

bool BlockSet::contains(BlockRange range) const {
    return range.first >= range_.first && range.first <= range.end() && range.end() <= range_.end();
}

Blocks BlockSet::count(BlockRange within) const {
    assert(contains(within));
    if (words_.empty()) return Blocks(0);
    std::uint64_t count = 0;
    for_words(words_, (within.first - range_.first).count(), (within.end() - range_.first).count(),
              [&count](const std::uint64_t& word, std::uint64_t mask) {
                  count += static_cast<std::uint64_t>(std::popcount(word & mask));
              });
    return Blocks(count);
}

bool BlockSet::test(BlockIndex block) const {
    assert(contains({block, Blocks(1)}));
    if (words_.empty()) return false;
    const std::uint64_t bit = (block - range_.first).count();
    return (words_[bit / word_bits] >> (bit % word_bits) & 1) != 0;
}

void BlockSet::insert(BlockRange range) {
    assert(contains(range));
    if (range.count == Blocks(0)) return;
    if (words_.empty()) words_.resize(divide_up(range_.count.count(), word_bits));
    for_words(words_, (range.first - range_.first).count(), (range.end() - range_.first).count(),
              [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
}

void BlockSet::erase(BlockRange range) {
    assert(contains(range));
    if (words_.empty()) return;
    for_words(words_, (range.first - range_.first).count(), (range.end() - range_.first).count(),
              [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
}

std::optional<BlockRange> BlockSet::next_run(BlockRange within) const {
    assert(contains(within));
    if (words_.empty()) return std::nullopt;
    const std::uint64_t end = (within.end() - range_.first).count();
    const std::uint64_t first = find_bit(words_, (within.first - range_.first).count(), end, 0);
    if (first == end) return std::nullopt;
    const std::uint64_t stop = find_bit(words_, first, end, ~std::uint64_t{0});
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
