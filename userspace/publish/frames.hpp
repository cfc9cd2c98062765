// SPDX-License-Identifier: GPL-2.0-or-later
// Writes image.zst and image.index while the frames of the blocks come in.
#pragma once

#include "codec/zstd.hpp"
#include "format/frame_index.hpp"
#include "publish/folder.hpp"

namespace regild::publish {

class FramesWriter {
  public:
    // Both files are new and outlive the writer.
    FramesWriter(OutputFile& frames, OutputFile& index, BlockSize block_size, int zstd_level);

    // The next blocks: `frames` one behind the other, `lengths` of each block, 0 where it is zero.
    Result<void> add(ConstByteSpan frames, std::span<const std::uint32_t> lengths);
    // The next blocks are zero.
    void add_zeros(Blocks count) { zeros_ += count; }
    // Writes what is unfinished; the length of image.zst.
    Result<Bytes> finish();

  private:
    Result<void> write_zeros();
    Result<void> write(ConstByteSpan frames);
    Result<void> put(std::uint32_t length);
    Result<void> flush_index();

    OutputFile& frames_;
    OutputFile& index_;
    const BlockSize block_size_;
    codec::Compressor compressor_;
    ByteVector longest_run_;  // the frame of as many zeros as one may have; empty until it is needed
    Blocks zeros_;            // not yet written
    Bytes written_;           // of frames
    Bytes put_;               // lengths of the frames that the index has
    Bytes page_offset_;       // of the page's first frame
    std::array<std::uint32_t, format::frames_per_page> page_{};
    std::size_t in_page_ = 0;
    ByteVector pages_;  // whole ones
    Bytes pages_offset_;
};

}  // namespace regild::publish
