// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/frame_locator.hpp"

#include <algorithm>
#include <cassert>

#include "codec/zstd.hpp"
#include "store/spans.hpp"

namespace regild::store {
namespace {

// Pages between two wanted ones that are read with them.
constexpr std::uint64_t max_gap = divide_up(net::request_overhead.count(), format::index_page_size);
constexpr std::uint64_t max_request = 2048;  // pages: 208 KiB

// The pages that tell of members of `wanted`, ascending.
std::vector<std::uint64_t> pages_of(const BlockSet& wanted) {
    std::vector<std::uint64_t> pages;
    for (const BlockRange& run : runs_of(wanted, wanted.range())) {
        std::uint64_t page = run.first.value() / format::frames_per_page;
        if (!pages.empty()) page = std::max(page, pages.back() + 1);
        for (; page * format::frames_per_page < run.end().value(); ++page)
            pages.push_back(page);
    }
    return pages;
}

std::vector<Span> spans_of(const std::vector<std::uint64_t>& pages) {
    std::vector<Span> spans;
    for (const std::uint64_t page : pages) {
        if (!spans.empty() && page - (spans.back().first + spans.back().count) <= max_gap &&
            page - spans.back().first < max_request)
            spans.back().count = page + 1 - spans.back().first;
        else
            spans.push_back({page, 1});
    }
    return spans;
}

}  // namespace

FrameLocator::FrameLocator(const Source& source, net::Fetcher& fetcher)
    : source_(source),
      fetcher_(fetcher),
      longest_(codec::longest_frame(source.manifest.block_size.bytes())) {}

Result<void> FrameLocator::load(const BlockSet& wanted) {
    const std::vector<PageNumber> pages = pages_of(wanted);
    std::erase_if(pages_, [&](const auto& held) {
        return !std::ranges::binary_search(pages, held.first) || wrong_block(held.first, held.second, wanted);
    });
    std::vector<PageNumber> missing;
    std::ranges::copy_if(pages, std::back_inserter(missing),
                         [&](PageNumber page) { return !pages_.contains(page); });
    if (missing.empty()) return {};

    const std::vector<Span> spans = spans_of(missing);
    ByteVector buffer;
    const std::vector<net::Range> ranges = ranges_of(
        spans, format::index_page_size, [](PageNumber page) { return Bytes(page * format::index_page_size); },
        buffer);
    const auto arrived = [&](std::size_t number) -> Result<void> {
        const Span& span = spans[number];
        for (std::uint64_t i = 0; i < span.count; ++i) {
            if (!std::ranges::binary_search(missing, span.first + i)) continue;
            Result<void> taken = take(
                span.first + i,
                ranges[number].into.subspan(i * format::index_page_size, format::index_page_size), wanted);
            if (!taken) return taken;
        }
        return {};
    };
    return fetcher_.get_ranges(source_.index_url, ranges, arrived, [](Bytes) {});
}

Bytes FrameLocator::length_of(const BlockSet& wanted) {
    std::uint64_t pages = 0;
    for (const Span& span : spans_of(pages_of(wanted)))
        pages += span.count;
    return Bytes(pages * format::index_page_size);
}

std::optional<BlockIndex> FrameLocator::wrong_block(PageNumber number, const format::FrameIndexPage& page,
                                                    const BlockSet& wanted) const {
    const BlockRange blocks = intersection(
        {BlockIndex(number * format::frames_per_page), Blocks(format::frames_per_page)}, wanted.range());
    for (BlockIndex block = blocks.first; block < blocks.end(); block = block + Blocks(1)) {
        if (!wanted.test(block)) continue;
        const Bytes length = page.frame(block.value() % format::frames_per_page).length;
        if (length == Bytes(0) || length > longest_) return block;
    }
    return std::nullopt;
}

Result<void> FrameLocator::take(PageNumber number, ConstByteSpan bytes, const BlockSet& wanted) {
    const auto wrong = [&](std::uint64_t block) {
        return Error{Failure::source, "block " + std::to_string(block) +
                                          " has no frame there: check the server and the caches before it"};
    };
    const auto page = format::FrameIndexPage::parse(bytes.first<format::index_page_size>());
    if (!page) return wrong(number * format::frames_per_page);
    if (const std::optional<BlockIndex> block = wrong_block(number, *page, wanted))
        return wrong(block->value());
    pages_.insert_or_assign(number, *page);
    return {};
}

format::Frame FrameLocator::frame(BlockIndex block) const {
    const auto page = pages_.find(block.value() / format::frames_per_page);
    assert(page != pages_.end());
    return page->second.frame(block.value() % format::frames_per_page);
}

Bytes longest_frames(const format::Manifest& manifest) {
    return Bytes(manifest.blocks().count() * codec::longest_frame(manifest.block_size.bytes()).count());
}

Result<Bytes> frames_length(const Source& source, net::Fetcher& fetcher) {
    std::array<std::byte, format::index_page_size> bytes{};
    const Bytes last = format::index_file_size(source.manifest.blocks()) - Bytes(bytes.size());
    const net::Range range{last, bytes, 0};
    Bytes length;
    const auto arrived = [&](std::size_t) -> Result<void> {
        const auto page = format::FrameIndexPage::parse(bytes);
        if (page) length = page->frame(format::frames_per_page - 1).end();
        if (!page || length > longest_frames(source.manifest))
            return Error{Failure::source,
                         "no image.zst is as long as it says: check the server and the caches before it"};
        return {};
    };
    Result<void> fetched = fetcher.get_ranges(source.index_url, std::span(&range, 1), arrived, [](Bytes) {});
    if (!fetched) return fetched.error();
    return length;
}

}  // namespace regild::store
