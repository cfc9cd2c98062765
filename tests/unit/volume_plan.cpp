// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/plan.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "store/nearby.hpp"

namespace regild::volume {
namespace {

// Each frame is ten bytes long, one behind the other.
constexpr BatchLimits wide{Bytes(160), Bytes(10000), 1000, 1000};

constexpr store::NearbyKind here{"here", "kept"};
constexpr store::NearbyKind there{"there", "brought"};

const store::NearbyKind* nowhere(std::uint64_t) {
    return nullptr;
}

// Block n has a digest of its own; what `is_zero` names is zero, and where it is nearby tells `place_of`.
std::function<std::optional<BlockContent>(BlockIndex)> contents(
    const std::function<bool(std::uint64_t)>& is_zero,
    const std::function<const store::NearbyKind*(std::uint64_t)>& place_of = nowhere) {
    return [=](BlockIndex block) {
        BlockContent content;
        content.digest[1] = static_cast<std::byte>(block.value());
        if (is_zero(block.value())) return content;
        content.from = place_of(block.value());
        content.kind = content.from ? Step::Kind::nearby : Step::Kind::fetch;
        content.frame = {Bytes(block.value() * 10), Bytes(10)};
        return content;
    };
}

BlockRange blocks(std::uint64_t first, std::uint64_t count) {
    return {BlockIndex(first), Blocks(count)};
}

// `gaps` is what has been read in the batch before the step and belongs to none.
Step fetch(BlockRange range, std::uint64_t slot, std::size_t request, std::uint64_t gaps = 0) {
    return {Step::Kind::fetch,
            range,
            Blocks(slot),
            format::Frame{Bytes(range.first.value() * 10), Bytes(range.count.count() * 10)},
            Bytes(slot * 10 + gaps),
            request};
}

Step zero(BlockRange range, std::size_t number) {
    return {Step::Kind::zero, range, {}, {}, {}, number};
}

BlockSet set_of(std::uint64_t size, std::initializer_list<BlockRange> ranges) {
    BlockSet set{Blocks(size)};
    for (const BlockRange& range : ranges)
        set.insert(range);
    return set;
}

const auto none_zero = contents([](std::uint64_t) { return false; });

TEST_CASE("neighbouring marked blocks become one request") {
    Batch batch;
    const BlockSet marks = set_of(100, {blocks(3, 5), blocks(40, 1)});
    REQUIRE(extend(batch, marks, blocks(0, 100), wide, none_zero) == BlockIndex(100));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(3, 5), 0, 0), fetch(blocks(40, 1), 5, 1)});
    REQUIRE(batch.framed.size() == 6);
    REQUIRE(batch.framed[5].digest == none_zero(BlockIndex(40))->digest);
}

TEST_CASE("a gap between marked blocks is never planned, however small") {
    Batch batch;
    const BlockSet marks = set_of(10, {blocks(0, 1), blocks(2, 1), blocks(4, 1)});
    REQUIRE(extend(batch, marks, blocks(0, 10), wide, none_zero) == BlockIndex(10));
    REQUIRE(batch.steps.size() == 3);
}

TEST_CASE("frames with little between them are one request, and what lies between belongs to no step") {
    Batch batch;
    const BlockSet marks = set_of(20, {blocks(0, 1), blocks(3, 3), blocks(8, 1), blocks(12, 1)});
    const BatchLimits limits{Bytes(160), Bytes(10000), 1000, 1000, Bytes(20)};
    const auto zero_at_four = contents([](std::uint64_t n) { return n == 4; });
    REQUIRE(extend(batch, marks, blocks(0, 20), limits, zero_at_four) == BlockIndex(20));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 1), 0, 0), fetch(blocks(3, 1), 1, 0, 20),
                                             zero(blocks(4, 1), 2), fetch(blocks(5, 1), 2, 0, 30),
                                             fetch(blocks(8, 1), 3, 0, 50), fetch(blocks(12, 1), 4, 5, 50)});
    REQUIRE(batch.size == Bytes(100));
    REQUIRE(steps_of(batch, 0) == std::vector<std::size_t>{0, 1, 3, 4});
    REQUIRE(range_of(batch, 0) == format::Frame{Bytes(0), Bytes(90)});
    REQUIRE(steps_of(batch, 5) == std::vector<std::size_t>{5});
    REQUIRE(range_of(batch, 5) == format::Frame{Bytes(120), Bytes(10)});
}

TEST_CASE("what is read between frames counts in the limits of request and memory") {
    Batch batch;
    BlockSet marks{Blocks(100)};
    for (std::uint64_t n = 0; n < 100; n += 2)
        marks.insert(blocks(n, 1));
    const BatchLimits limits{Bytes(50), Bytes(120), 1000, 1000, Bytes(10)};
    // The third of the third request would end at 130.
    REQUIRE(extend(batch, marks, blocks(0, 100), limits, none_zero) == BlockIndex(14));
    REQUIRE(batch.size == Bytes(110));
    for (const std::size_t request : {0, 3, 6})
        REQUIRE(batch.steps[request].request == request);
    REQUIRE(range_of(batch, 0).length == Bytes(50));
    REQUIRE(range_of(batch, 3).length == Bytes(50));
    REQUIRE(range_of(batch, 6).length == Bytes(10));
    // A step of a joined request grows no further than that either.
    Batch other;
    const BlockSet run = set_of(20, {blocks(0, 1), blocks(2, 10)});
    REQUIRE(extend(other, run, blocks(0, 20), limits, none_zero) == BlockIndex(20));
    REQUIRE(range_of(other, 0) == format::Frame{Bytes(0), Bytes(50)});
    REQUIRE(other.steps[2].blocks == blocks(5, 5));
}

TEST_CASE("nothing joins a request that has been asked for, or over a frame from elsewhere") {
    const BatchLimits limits{Bytes(160), Bytes(10000), 1000, 1000, Bytes(20)};
    const auto cached_at_two = contents([](std::uint64_t) { return false; },
                                        [](std::uint64_t n) { return n == 2 ? &here : nullptr; });
    Batch batch;
    REQUIRE(extend(batch, set_of(10, {blocks(0, 1)}), blocks(0, 1), limits, cached_at_two) == BlockIndex(1));
    batch.sealed = 1;
    const BlockSet marks = set_of(10, {blocks(1, 3)});
    REQUIRE(extend(batch, marks, blocks(1, 9), limits, cached_at_two) == BlockIndex(10));
    for (std::size_t i = 0; i < 4; ++i)
        REQUIRE(batch.steps[i].request == i);
    REQUIRE(batch.size == Bytes(40));
}

TEST_CASE("zero blocks are zeroed and not fetched") {
    Batch batch;
    const BlockSet marks = set_of(64, {blocks(0, 64)});
    const auto zero_in_the_middle = contents([](std::uint64_t n) { return n >= 10 && n < 60; });
    REQUIRE(extend(batch, marks, blocks(0, 64), wide, zero_in_the_middle) == BlockIndex(64));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 10), 0, 0), zero(blocks(10, 50), 1),
                                             fetch(blocks(60, 4), 10, 2)});
    REQUIRE(batch.size == Bytes(140));
}

TEST_CASE("a request is no longer than its limit") {
    Batch batch;
    const BlockSet marks = set_of(40, {blocks(0, 40)});
    REQUIRE(extend(batch, marks, blocks(0, 40), wide, none_zero) == BlockIndex(40));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 16), 0, 0), fetch(blocks(16, 16), 16, 1),
                                             fetch(blocks(32, 8), 32, 2)});
}

TEST_CASE("a batch ends where its memory does, and the next goes on there") {
    const BlockSet marks = set_of(100, {blocks(10, 20), blocks(50, 30)});
    const BatchLimits limits{Bytes(80), Bytes(240), 1000, 1000};
    BlockSet planned{Blocks(100)};
    BlockIndex position;
    unsigned batches = 0;
    while (position < BlockIndex(100)) {
        Batch batch;
        position = extend(batch, marks, {position, BlockIndex(100) - position}, limits, none_zero);
        REQUIRE(batch.size <= Bytes(240));
        for (const Step& step : batch.steps) {
            BlockSet before = planned;
            planned.insert(step.blocks);
            REQUIRE(planned.count() == before.count() + step.blocks.count);
        }
        ++batches;
    }
    REQUIRE(batches == 3);
    REQUIRE(planned == marks);
}

TEST_CASE("a batch that is full of requests still takes the zero blocks that follow") {
    Batch batch;
    const BlockSet marks = set_of(20, {blocks(0, 20)});
    const BatchLimits limits{Bytes(40), Bytes(40), 1000, 1000};
    const auto zero_after_four = contents([](std::uint64_t n) { return n >= 4 && n < 10; });
    REQUIRE(extend(batch, marks, blocks(0, 20), limits, zero_after_four) == BlockIndex(10));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 4), 0, 0), zero(blocks(4, 6), 1)});
}

TEST_CASE("the number of steps is bounded too") {
    Batch batch;
    BlockSet marks{Blocks(100)};
    for (std::uint64_t n = 0; n < 100; n += 2)
        marks.insert(blocks(n, 1));
    const BatchLimits limits{Bytes(160), Bytes(10000), 1000, 7};
    REQUIRE(extend(batch, marks, blocks(0, 100), limits, none_zero) == BlockIndex(14));
    REQUIRE(batch.steps.size() == 7);
}

TEST_CASE("the number of blocks with frames is bounded too, however short their frames") {
    Batch batch;
    const BlockSet marks = set_of(100, {blocks(0, 100)});
    const BatchLimits limits{Bytes(160), Bytes(10000), 20, 1000};
    REQUIRE(extend(batch, marks, blocks(0, 100), limits, none_zero) == BlockIndex(20));
    REQUIRE(batch.framed.size() == 20);
}

TEST_CASE("a frame that is longer than a request is a request of its own") {
    Batch batch;
    const BlockSet marks = set_of(3, {blocks(0, 3)});
    const BatchLimits limits{Bytes(5), Bytes(10000), 1000, 1000};
    REQUIRE(extend(batch, marks, blocks(0, 3), limits, none_zero) == BlockIndex(3));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 1), 0, 0), fetch(blocks(1, 1), 1, 1),
                                             fetch(blocks(2, 1), 2, 2)});
}

TEST_CASE("neighbours whose frames are not are asked for one by one") {
    Batch batch;
    const BlockSet marks = set_of(2, {blocks(0, 2)});
    const auto overlapping = [](BlockIndex) {
        return BlockContent{Step::Kind::fetch, {}, {Bytes(70), Bytes(10)}};
    };
    REQUIRE(extend(batch, marks, blocks(0, 2), wide, overlapping) == BlockIndex(2));
    REQUIRE(batch.steps.size() == 2);
    REQUIRE(batch.steps[1].frames == format::Frame{Bytes(70), Bytes(10)});
    REQUIRE(batch.steps[1].place == Bytes(10));
}

TEST_CASE("what is nearby is no part of a request, and each source has steps of its own") {
    Batch batch;
    const BlockSet marks = set_of(6, {blocks(0, 6)});
    const std::array<const store::NearbyKind*, 6> places{nullptr, &here, &here, &there};
    const auto some_nearby =
        contents([](std::uint64_t) { return false; }, [&](std::uint64_t n) { return places[n]; });
    REQUIRE(extend(batch, marks, blocks(0, 6), wide, some_nearby) == BlockIndex(6));
    Step kept = fetch(blocks(1, 2), 1, 1);
    kept.kind = Step::Kind::nearby;
    kept.from = &here;
    Step brought = fetch(blocks(3, 1), 3, 2);
    brought.kind = Step::Kind::nearby;
    brought.from = &there;
    REQUIRE(batch.steps ==
            std::vector<Step>{fetch(blocks(0, 1), 0, 0), kept, brought, fetch(blocks(4, 2), 4, 3)});
}

TEST_CASE("planning stops at a block of which nothing is known") {
    Batch batch;
    const BlockSet marks = set_of(6, {blocks(0, 6)});
    const auto until_four = [](BlockIndex block) {
        return block < BlockIndex(4) ? none_zero(block) : std::nullopt;
    };
    REQUIRE(extend(batch, marks, blocks(0, 6), wide, until_four) == BlockIndex(4));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(0, 4), 0, 0)});
}

TEST_CASE("a batch goes on across windows") {
    Batch batch;
    const BlockSet marks = set_of(100, {blocks(8, 4)});
    REQUIRE(extend(batch, marks, blocks(0, 10), wide, none_zero) == BlockIndex(10));
    REQUIRE(extend(batch, marks, blocks(10, 90), wide, none_zero) == BlockIndex(100));
    REQUIRE(batch.steps == std::vector<Step>{fetch(blocks(8, 4), 0, 0)});
}

}  // namespace
}  // namespace regild::volume
