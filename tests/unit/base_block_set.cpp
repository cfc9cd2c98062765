// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/block_set.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using namespace regild;

namespace {

BlockRange range(std::uint64_t first, std::uint64_t count) {
    return {BlockIndex(first), Blocks(count)};
}

}  // namespace

TEST_CASE("a new block set is empty or full") {
    CHECK(BlockSet(Blocks(100)).empty());
    for (const std::uint64_t size : {0, 1, 63, 64, 65, 128, 4032}) {
        const BlockSet full(Blocks(size), true);
        CHECK(full.count() == Blocks(size));
        CHECK(full.size() == Blocks(size));
        if (size != 0) CHECK(*full.next_run(BlockIndex(0)) == range(0, size));
    }
    CHECK(BlockSet().empty());
    CHECK_FALSE(BlockSet().next_run(BlockIndex(0)));
}

TEST_CASE("runs are found across words and cut at the limit") {
    BlockSet set(Blocks(300));
    set.insert(range(60, 140));
    set.insert(range(299, 1));
    CHECK(*set.next_run(BlockIndex(0)) == range(60, 140));
    CHECK(*set.next_run(BlockIndex(0), Blocks(10)) == range(60, 10));
    CHECK(*set.next_run(BlockIndex(70), Blocks(130)) == range(70, 130));
    CHECK(*set.next_run(BlockIndex(199)) == range(199, 1));
    CHECK(*set.next_run(BlockIndex(200)) == range(299, 1));
    CHECK_FALSE(set.next_run(BlockIndex(300)));
    CHECK_FALSE(set.next_run(BlockIndex(0), Blocks(0)));
}

TEST_CASE("a block set behaves as a set of numbers") {
    constexpr std::uint64_t size = 517;
    std::mt19937 random(7);  // NOLINT: the same sequence in every run
    BlockSet set{Blocks(size)};
    std::set<std::uint64_t> model;
    for (int step = 0; step < 400; ++step) {
        const std::uint64_t first = random() % size;
        const std::uint64_t count = random() % (size - first + 1);
        const bool insert = random() % 2 == 0;
        insert ? set.insert(range(first, count)) : set.erase(range(first, count));
        for (std::uint64_t block = first; block < first + count; ++block) {
            if (insert)
                model.insert(block);
            else
                model.erase(block);
        }
        REQUIRE(set.count() == Blocks(model.size()));

        std::set<std::uint64_t> listed;
        BlockIndex at;
        while (const std::optional<BlockRange> run = set.next_run(at)) {
            REQUIRE(run->count > Blocks(0));
            for (std::uint64_t i = 0; i < run->count.count(); ++i)
                listed.insert(run->first.value() + i);
            at = run->end();
        }
        REQUIRE(listed == model);
    }
}
