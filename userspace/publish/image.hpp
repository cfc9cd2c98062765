// SPDX-License-Identifier: GPL-2.0-or-later
// The image that is being published: read once from start to end, its blocks hashed and compressed on several
// threads.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/stop.hpp"
#include "base/units.hpp"
#include "block/data_extent.hpp"

namespace regild::publish {

class ImageFile {
  public:
    // A regular file or a block device that nobody has mounted (Failure::refused).
    static Result<ImageFile> open(const std::filesystem::path& path);
    Bytes size() const { return size_; }
    // Fills `into` from `offset`, with zeros past the end.
    Result<void> read(Bytes offset, ByteSpan into) const;
    // As block::next_data.
    Result<block::DataExtent> next_data(Bytes offset) const;
    // Failure::failed when somebody wrote the file since it was opened: the bytes read are a mixture.
    Result<void> check_unchanged() const;

  private:
    ImageFile(Fd fd, std::filesystem::path path, const struct stat& opened, Bytes size)
        : fd_(std::move(fd)), path_(std::move(path)), opened_(opened), size_(size) {}
    Fd fd_;
    std::filesystem::path path_;
    struct stat opened_;
    Bytes size_;
};

// Some blocks in a row.
struct ImageChunk {
    BlockRange range;
    bool hole = false;    // every block is zero; all that follows is empty
    ConstByteSpan bytes;  // whole blocks, padded with zeros past the end of the image
    std::span<const Digest> digests;
    ConstByteSpan frames;                          // of the blocks that are not zero, one behind the other
    std::span<const std::uint32_t> frame_lengths;  // of each block, 0 where it is zero
};

struct ImageFormat {
    BlockSize block_size;
    ConstByteSpan salt;
    Digest zero_digest;  // of a block of zeros, which is neither hashed again nor compressed
    int zstd_level = 0;
};

// Hands the whole image to `consume`, chunk by chunk in order, on the calling thread; an Error from it ends
// the stream. A reader and one worker a processor (64 at most) run ahead of it by at most 4 MiB of the image
// a worker.
Result<void> stream_image(const ImageFile& image, const ImageFormat& format, const StopFlag& stop,
                          const std::function<Result<void>(const ImageChunk&)>& consume);

}  // namespace regild::publish
