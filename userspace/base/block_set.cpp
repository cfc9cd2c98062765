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

// Calls change(word, mask) for each word that the bits `first` to `end` - 1 touch.
template <class Change>
void for_words(std::vector<std::uint64_t>& words, std::uint64_t first, std::uint64_t end, Change change) {
    while (first < end) {
        const std::uint64_t word = first / word_bits;
        const std::uint64_t stop = std::min(end, (word + 1) * word_bits);
        change(words[word], word_mask(first - word * word_bits, stop - word * word_bits));
        first = stop;
    }
}

// The first bit at or after `from` that is set, with each word xored with `flip` first; or `size`.
std::uint64_t find_bit(const std::vector<std::uint64_t>& words, std::uint64_t from, std::uint64_t size,
                       std::uint64_t flip) {
    while (from < size) {
        const std::uint64_t word = from / word_bits;
        const std::uint64_t rest = (words[word] ^ flip) & word_mask(from % word_bits, word_bits);
        if (rest != 0) return std::min<std::uint64_t>(size, word * word_bits + std::countr_zero(rest));
        from = (word + 1) * word_bits;
    }
    return size;
}

}  // namespace

BlockSet::BlockSet(Blocks size, bool all) : size_(size), words_(divide_up(size.count(), word_bits)) {
    if (all) insert({BlockIndex(0), size});
}

Blocks BlockSet::count() const {
    std::uint64_t count = 0;
    for (const std::uint64_t word : words_)
        count += static_cast<std::uint64_t>(std::popcount(word));
    return Blocks(count);
}

bool BlockSet::test(BlockIndex block) const {
    assert(block.value() < size_.count());
    return (words_[block.value() / word_bits] >> (block.value() % word_bits) & 1) != 0;
}

void BlockSet::insert(BlockRange range) {
    assert(range.end().value() <= size_.count() && range.first <= range.end());
    for_words(words_, range.first.value(), range.end().value(),
              [](std::uint64_t& word, std::uint64_t mask) { word |= mask; });
}

void BlockSet::erase(BlockRange range) {
    assert(range.end().value() <= size_.count() && range.first <= range.end());
    for_words(words_, range.first.value(), range.end().value(),
              [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; });
}

std::optional<BlockRange> BlockSet::next_run(BlockIndex from, Blocks limit) const {
    const std::uint64_t first = find_bit(words_, from.value(), size_.count(), 0);
    if (first == size_.count() || limit == Blocks(0)) return std::nullopt;
    const std::uint64_t stop = limit.count() < size_.count() - first ? first + limit.count() : size_.count();
    const std::uint64_t end = find_bit(words_, first, stop, ~std::uint64_t{0});
    return BlockRange{BlockIndex(first), Blocks(end - first)};
}

}  // namespace regild
