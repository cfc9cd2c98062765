// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/frames.hpp"

#include <algorithm>

namespace regild::publish {
namespace {

// So that whoever decompresses the whole image sees a frame end now and then.
constexpr Bytes longest_zeros = MiB(64);
constexpr std::size_t pages_at_once = 4096;

}  // namespace

FramesWriter::FramesWriter(OutputFile& frames, OutputFile& index, BlockSize block_size, int zstd_level)
    : frames_(frames), index_(index), block_size_(block_size), compressor_(zstd_level) {}

Result<void> FramesWriter::add(ConstByteSpan frames, std::span<const std::uint32_t> lengths) {
    std::size_t unwritten = 0;  // bytes at the start of `frames` whose lengths are put
    for (const std::uint32_t length : lengths) {
        if (length == 0) {
            if (Result<void> written = write(frames.first(unwritten)); !written) return written;
            frames = frames.subspan(unwritten);
            unwritten = 0;
            zeros_ += Blocks(1);
            continue;
        }
        if (Result<void> written = write_zeros(); !written) return written;
        if (Result<void> done = put(length); !done) return done;
        unwritten += length;
    }
    return write(frames.first(unwritten));
}

Result<void> FramesWriter::write_zeros() {
    const Blocks longest(longest_zeros.count() / block_size_.bytes().count());
    while (zeros_ > Blocks(0)) {
        const Blocks run = std::min(zeros_, longest);
        ByteVector shorter;
        ByteVector& frame = run == longest ? longest_run_ : shorter;
        if (frame.empty()) {
            Result<ByteVector> made = compressor_.compress_zeros(block_size_.bytes_of(run));
            if (!made) return made.error();
            frame = *std::move(made);
        }
        if (Result<void> written = write(frame); !written) return written;
        for (std::uint64_t i = 0; i < run.count(); ++i)
            if (Result<void> done = put(i == 0 ? static_cast<std::uint32_t>(frame.size()) : 0); !done)
                return done;
        zeros_ -= run;
    }
    return {};
}

Result<void> FramesWriter::write(ConstByteSpan frames) {
    if (frames.empty()) return {};
    if (Result<void> written = frames_.write(written_, frames); !written) return written;
    written_ += Bytes(frames.size());
    return {};
}

// The length of the next block's frame.
Result<void> FramesWriter::put(std::uint32_t length) {
    if (in_page_ == 0) page_offset_ = put_;
    page_[in_page_++] = length;
    put_ += Bytes(length);
    if (in_page_ < page_.size()) return {};
    const auto page = format::FrameIndexPage::make(page_offset_, page_).serialize();
    pages_.insert(pages_.end(), page.begin(), page.end());
    page_ = {};
    in_page_ = 0;
    return pages_.size() < pages_at_once * format::index_page_size ? Result<void>{} : flush_index();
}

Result<void> FramesWriter::flush_index() {
    if (Result<void> written = index_.write(pages_offset_, pages_); !written) return written;
    pages_offset_ += Bytes(pages_.size());
    pages_.clear();
    return {};
}

Result<Bytes> FramesWriter::finish() {
    if (Result<void> written = write_zeros(); !written) return written.error();
    while (in_page_ > 0)
        if (Result<void> done = put(0); !done) return done.error();
    if (Result<void> flushed = flush_index(); !flushed) return flushed.error();
    return written_;
}

}  // namespace regild::publish
