// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdlib>

#include "format/frame_index.hpp"

using namespace regild;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < format::index_page_size) return 0;
    const auto bytes = std::as_bytes(std::span(data, size)).first<format::index_page_size>();
    const auto page = format::FrameIndexPage::parse(bytes);
    if (!page) return 0;
    Bytes offset = page->frame(0).offset;
    for (std::size_t n = 0; n < format::frames_per_page; ++n) {
        const format::Frame frame = page->frame(n);
        if (frame.offset != offset || frame.end() < offset || frame.end() > Bytes(INT64_MAX)) std::abort();
        offset = frame.end();
    }
    if (!std::ranges::equal(page->serialize(), bytes)) std::abort();
    return 0;
}
