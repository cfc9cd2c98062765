// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/nearby.hpp"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

namespace regild::store {
namespace {

// Content of blocks that are looked for together.
constexpr Bytes at_once = MiB(1);
// Whatever the number of processors: while some wait for a device others verify.
constexpr std::size_t most_threads = 4;

}  // namespace

Nearby::Nearby(BlockSize block_size, std::function<Sources()> open, Cache* cache)
    : at_once_(at_once.count() / block_size.bytes().count()), open_(std::move(open)), cache_(cache) {
    sources_.push_back(open_());
}

bool Nearby::may_have(BlockIndex block, const Digest& digest) {
    return std::ranges::any_of(sources_[0],
                               [&](const auto& source) { return source->may_have(block, digest); });
}

Nearby::Part Nearby::take_some(const TreeReader& tree, const BlockSet& wanted, BlockRange within) {
    Part part;
    const auto is_full = [&] { return part.blocks.size() == at_once_; };
    BlockIndex at = within.first;
    while (!is_full() && at < within.end()) {
        const BlockRange run =
            wanted.next_run({at, within.end() - at}).value_or(BlockRange{within.end(), Blocks(0)});
        for (at = run.first; at < run.end() && !is_full(); at = at + Blocks(1))
            if (const Digest digest = tree.digest(at); digest != tree.zero_digest())
                part.blocks.push_back({at, digest, {}});
    }
    part.end = at;
    std::vector<Wanted*> likely;
    for (Wanted& block : part.blocks)
        if (may_have(block.block, block.digest)) likely.push_back(&block);
    take(likely);
    return part;
}

void Nearby::take(std::span<Wanted* const> wanted) {
    std::atomic<std::size_t> next = 0;
    const auto work = [&](Sources& sources) {
        for (std::size_t i = next++; i < wanted.size(); i = next++)
            wanted[i]->found = ask(sources, *wanted[i]);
    };
    const std::size_t threads = std::min(wanted.size(), most_threads);
    while (sources_.size() < threads)
        sources_.push_back(open_());
    std::vector<std::jthread> others;
    try {
        for (std::size_t i = 1; i < threads; ++i)
            others.emplace_back([&work, &own = sources_[i]] { work(own); });
    } catch (const std::system_error&) {
        // There is none to be had: those that there are do it all.
    }
    work(sources_[0]);
}

std::optional<Nearby::Found> Nearby::ask(Sources& sources, const Wanted& wanted) {
    for (const auto& source : sources)
        if (std::optional<ByteVector> frame = source->take(wanted.block, wanted.digest))
            return Found{&source->kind(), *std::move(frame)};
    return std::nullopt;
}

}  // namespace regild::store
