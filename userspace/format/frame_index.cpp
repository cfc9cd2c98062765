// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/frame_index.hpp"

#include <algorithm>
#include <cassert>

namespace regild::format {
namespace {

constexpr std::size_t offset_size = 8;
constexpr std::size_t length_size = 3;
static_assert(index_page_size == offset_size + frames_per_page * length_size);

std::uint64_t load(ConstByteSpan bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
    return value;
}

void store(std::uint64_t value, ByteSpan into) {
    for (std::byte& byte : into) {
        byte = static_cast<std::byte>(value);
        value >>= 8;
    }
}

}  // namespace

std::optional<FrameIndexPage> FrameIndexPage::parse(std::span<const std::byte, index_page_size> bytes) {
    FrameIndexPage page;
    page.first_offset_ = Bytes(load(bytes.first(offset_size)));
    if (page.first_offset_ > Bytes(INT64_MAX)) return std::nullopt;
    for (std::size_t i = 0; i < frames_per_page; ++i)
        page.lengths_[i] = static_cast<std::uint32_t>(
            load(ConstByteSpan(bytes).subspan(offset_size + i * length_size, length_size)));
    if (page.frame(frames_per_page - 1).end() > Bytes(INT64_MAX)) return std::nullopt;
    return page;
}

FrameIndexPage FrameIndexPage::make(Bytes first_offset,
                                    std::span<const std::uint32_t, frames_per_page> lengths) {
    FrameIndexPage page;
    page.first_offset_ = first_offset;
    std::ranges::copy(lengths, page.lengths_.begin());
    return page;
}

Frame FrameIndexPage::frame(std::size_t number) const {
    assert(number < frames_per_page);
    Bytes offset = first_offset_;
    for (std::size_t i = 0; i < number; ++i)
        offset += Bytes(lengths_[i]);
    return {offset, Bytes(lengths_[number])};
}

std::array<std::byte, index_page_size> FrameIndexPage::serialize() const {
    std::array<std::byte, index_page_size> bytes;
    store(first_offset_.count(), ByteSpan(bytes).first(offset_size));
    for (std::size_t i = 0; i < frames_per_page; ++i) {
        assert(lengths_[i] <= max_frame_length);
        store(lengths_[i], ByteSpan(bytes).subspan(offset_size + i * length_size, length_size));
    }
    return bytes;
}

Bytes index_file_size(Blocks blocks) {
    return Bytes(divide_up(blocks.count(), frames_per_page) * index_page_size);
}

}  // namespace regild::format
