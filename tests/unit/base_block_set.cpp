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

BlockSet set_of(std::uint64_t size, std::initializer_list<BlockRange> ranges) {
    BlockSet set{Blocks(size)};
    for (const BlockRange& range : ranges)
        set.insert(range);
    return set;
}

}  // namespace

TEST_CASE("a new block set is empty or full") {
    CHECK(BlockSet(Blocks(100)).empty());
    for (const std::uint64_t size : {0, 1, 63, 64, 65, 128, 4032}) {
        const BlockSet full(Blocks(size), true);
        CHECK(full.count() == Blocks(size));
        CHECK(full.range() == range(0, size));
        if (size != 0) CHECK(*full.next_run(full.range()) == range(0, size));
    }
    CHECK(BlockSet().empty());
    CHECK_FALSE(BlockSet().next_run(range(0, 0)));
}

TEST_CASE("runs are found across words and cut where the search ends") {
    BlockSet set(Blocks(300));
    set.insert(range(60, 140));
    set.insert(range(299, 1));
    CHECK(*set.next_run(range(0, 300)) == range(60, 140));
    CHECK(*set.next_run(range(0, 70)) == range(60, 10));
    CHECK(*set.next_run(range(70, 130)) == range(70, 130));
    CHECK(*set.next_run(range(199, 101)) == range(199, 1));
    CHECK(*set.next_run(range(200, 100)) == range(299, 1));
    CHECK_FALSE(set.next_run(range(200, 99)));
    CHECK_FALSE(set.next_run(range(0, 60)));
    CHECK_FALSE(set.next_run(range(300, 0)));
    CHECK_FALSE(set.next_run(range(100, 0)));
}

TEST_CASE("a block set behaves as a set of numbers") {
    constexpr std::uint64_t base = 1000;  // of a part of a volume
    constexpr std::uint64_t size = 517;
    std::mt19937 random(7);  // NOLINT: the same sequence in every run
    BlockSet set(range(base, size));
    std::set<std::uint64_t> model;
    for (int step = 0; step < 400; ++step) {
        const std::uint64_t first = base + random() % size;
        const std::uint64_t count = random() % (base + size - first + 1);
        const bool insert = random() % 2 == 0;
        insert ? set.insert(range(first, count)) : set.erase(range(first, count));
        for (std::uint64_t block = first; block < first + count; ++block) {
            if (insert)
                model.insert(block);
            else
                model.erase(block);
        }
        REQUIRE(set.count() == Blocks(model.size()));
        const auto in_model = [&](std::uint64_t block) { return model.count(block); };
        std::uint64_t within = 0;
        for (std::uint64_t block = first; block < first + count; ++block)
            within += in_model(block);
        REQUIRE(set.count(range(first, count)) == Blocks(within));

        std::set<std::uint64_t> listed;
        BlockIndex at(base);
        while (const std::optional<BlockRange> run = set.next_run({at, set.range().end() - at})) {
            REQUIRE(run->count > Blocks(0));
            for (std::uint64_t i = 0; i < run->count.count(); ++i)
                listed.insert(run->first.value() + i);
            at = run->end();
        }
        REQUIRE(listed == model);
    }
}

TEST_CASE("the runs of a set stay within the range that is asked for") {
    const BlockSet set = set_of(50, {range(0, 10), range(20, 10)});
    CHECK(runs_of(set, range(5, 20)) == std::vector<BlockRange>{range(5, 5), range(20, 5)});
    CHECK(runs_of(set, range(10, 10)).empty());
    CHECK(runs_of(set, range(50, 0)).empty());
}

TEST_CASE("the difference of two sets is that of the range that is asked for") {
    const BlockSet set = set_of(50, {range(0, 10), range(20, 10)});
    const BlockSet without = set_of(50, {range(3, 4), range(28, 10)});
    const BlockSet rest = difference(set, without, range(5, 30));
    CHECK(rest.range() == range(5, 30));
    CHECK(runs_of(rest, rest.range()) == std::vector<BlockRange>{range(7, 3), range(20, 8)});
}

TEST_CASE("what is far apart in a block set is found again") {
    constexpr std::uint64_t chunk = 32768;
    BlockSet set(range(1000, 100 * chunk));
    set.insert(range(1000 + chunk - 3, 2 * chunk + 6));
    set.insert(range(1000 + 99 * chunk, chunk));
    set.erase(range(1000 + 2 * chunk - 1, 2));
    CHECK(runs_of(set, set.range()) == std::vector{range(1000 + chunk - 3, chunk + 2),
                                                   range(1000 + 2 * chunk + 1, chunk + 2),
                                                   range(1000 + 99 * chunk, chunk)});
    CHECK(set.count() == Blocks(3 * chunk + 4));
    CHECK(set.count(range(1000 + 50 * chunk, chunk)) == Blocks(0));
    CHECK(set.test(BlockIndex(1000 + 3 * chunk + 2)));
    CHECK_FALSE(set.test(BlockIndex(1000 + 3 * chunk + 3)));
    CHECK_FALSE(set.test(BlockIndex(1000 + 50 * chunk)));
}

TEST_CASE("a block set takes in the one that follows it") {
    BlockSet set(range(10, 70));
    set.insert(range(60, 20));
    BlockSet next(range(80, 40000));
    next.insert(range(80, 5));
    next.insert(range(40079, 1));
    set.append(next);
    CHECK(set.range() == range(10, 40070));
    CHECK(runs_of(set, set.range()) == std::vector{range(60, 25), range(40079, 1)});
    BlockSet after(range(40080, 0));
    set.append(after);
    CHECK(set.range() == range(10, 40070));
}
