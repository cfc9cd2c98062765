// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/frame_index.hpp"

#include <catch2/catch.hpp>

#include "format_golden.hpp"

namespace regild::format {
namespace {

using PageBytes = std::array<std::byte, index_page_size>;

TEST_CASE("an index is read and written as the golden file has it") {
    const std::string golden = test::golden_text("small.index");
    REQUIRE(Bytes(golden.size()) == index_file_size(Blocks(70)));
    Bytes offset;
    for (std::uint64_t n = 0; n < 70; ++n) {
        std::uint64_t length = 100 + n;
        if (n >= 30 && n <= 40) length = n == 30 ? 17 : 0;
        if (n == 69) length = 15;
        const auto bytes =
            as_bytes(golden).subspan(n / frames_per_page * index_page_size).first<index_page_size>();
        const auto page = FrameIndexPage::parse(bytes);
        REQUIRE(page);
        CHECK(page->frame(n % frames_per_page) == Frame{offset, Bytes(length)});
        CHECK(std::ranges::equal(page->serialize(), bytes));
        offset += Bytes(length);
    }
}

TEST_CASE("the size of an index is that of whole pages") {
    CHECK(index_file_size(Blocks(1)) == Bytes(104));
    CHECK(index_file_size(Blocks(32)) == Bytes(104));
    CHECK(index_file_size(Blocks(33)) == Bytes(208));
}

TEST_CASE("a page whose frames lie past the end of any file is refused") {
    std::array<std::uint32_t, frames_per_page> lengths{};
    lengths.fill(max_frame_length);
    const Bytes most(INT64_MAX - std::uint64_t{max_frame_length} * frames_per_page);
    CHECK(FrameIndexPage::parse(FrameIndexPage::make(most, lengths).serialize()));
    CHECK_FALSE(FrameIndexPage::parse(FrameIndexPage::make(most + Bytes(1), lengths).serialize()));
    PageBytes all_ones;
    all_ones.fill(std::byte{0xff});
    CHECK_FALSE(FrameIndexPage::parse(all_ones));
}

}  // namespace
}  // namespace regild::format
