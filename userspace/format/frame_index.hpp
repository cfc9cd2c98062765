// SPDX-License-Identifier: GPL-2.0-or-later
// image.index: where in image.zst the frame of each block is (FORMAT.md 2.2). It is believed no further than
// that a lie costs a request: the block in a wrong frame does not verify.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.hpp"
#include "base/units.hpp"

namespace regild::format {

inline constexpr std::size_t frames_per_page = 32;
inline constexpr std::size_t index_page_size = 104;
inline constexpr std::uint32_t max_frame_length = (1u << 24) - 1;

// A range of image.zst.
struct Frame {
    Bytes offset;
    Bytes length;
    Bytes end() const { return offset + length; }
    bool operator==(const Frame&) const = default;
};

// The frames of `frames_per_page` blocks in a row.
class FrameIndexPage {
  public:
    FrameIndexPage() = default;
    // Nothing where a frame would end past 2^63 - 1.
    static std::optional<FrameIndexPage> parse(std::span<const std::byte, index_page_size> bytes);
    static FrameIndexPage make(Bytes first_offset, std::span<const std::uint32_t, frames_per_page> lengths);

    // Of the page's block `number`; its length is 0 where the block has no frame of its own.
    Frame frame(std::size_t number) const;
    std::array<std::byte, index_page_size> serialize() const;

  private:
    Bytes first_offset_;
    std::array<std::uint32_t, frames_per_page> lengths_{};
};

Bytes index_file_size(Blocks blocks);

}  // namespace regild::format
