// SPDX-License-Identifier: GPL-2.0-or-later
// What of an image a session soon writes to, whatever it does: the free space and the journal of an ext2,
// ext3 or ext4 file system that begins where the image does.
#pragma once

#include <optional>
#include <vector>

#include "format/ext4.hpp"
#include "publish/image.hpp"

namespace regild::publish {

struct FileSystemReport {
    Bytes free;
    Bytes free_not_zero;
    Bytes
        free_frames;  // length of the frames of all blocks with free space in them and nothing of the journal
    Bytes journal;    // zero: there is none, or it is an ext3 journal without extents
    Bytes journal_not_zero;
    Bytes journal_frames;         // length of the frames of all blocks with something of the journal in them
    Bytes journal_superblock;     // as much of a journal is never zero
    Bytes unfinished_tables;      // inode tables that the kernel will zero once the file system is mounted
    bool needs_recovery = false;  // not unmounted: the journal is to be replayed
};

// Looks at the image while it is streamed. Reads of its own are few and short: a descriptor and a bitmap for
// each 128 MiB (of a file system with 4 KiB blocks), of which one is kept.
class FileSystemSurvey {
  public:
    // `image` outlives it. Nothing where the image has no such file system. Error: the image cannot be read.
    static Result<std::optional<FileSystemSurvey>> open(const ImageFile& image, BlockSize block_size);
    // The next blocks of the image.
    Result<void> add(const ImageChunk& chunk);
    const FileSystemReport& report() const { return report_; }

  private:
    FileSystemSurvey(const ImageFile& image, BlockSize block_size, const format::Ext4& ext4)
        : image_(&image), block_size_(block_size), ext4_(ext4) {}
    Result<void> find_journal();
    Result<void> look_at_tables();
    Result<void> load_group(std::uint64_t group);
    Result<bool> is_free(std::uint64_t block);
    bool is_journal(std::uint64_t block) const;
    Result<void> add_block(Bytes offset, ConstByteSpan block, Bytes frame);

    const ImageFile* image_;
    BlockSize block_size_;
    format::Ext4 ext4_;
    FileSystemReport report_;
    std::vector<format::Ext4Range> journal_;  // in the order of where they lie
    std::optional<std::uint64_t> group_;      // whose bitmap this is
    ByteVector bitmap_;                       // a bit a block, set where it is in use
};

}  // namespace regild::publish
