// SPDX-License-Identifier: GPL-2.0-or-later
// The blocks of a version that lies in a store, a group at a time: digests and frames as its files have them.
#pragma once

#include <filesystem>
#include <vector>

#include "base/fd.hpp"
#include "format/frame_index.hpp"
#include "format/hash_tree.hpp"
#include "format/manifest.hpp"

namespace regild::publish {

// Nothing is verified: of a version whose files are damaged anything may come.
class StoredVersion {
  public:
    static Result<StoredVersion> open(const std::filesystem::path& folder, const format::Manifest& manifest);

    // Reads the group that begins at `first`, one past the group before or block 0; its range. What an
    // earlier call read is forgotten. Failure::refused: a file is too short, or the index makes no sense.
    Result<BlockRange> load(BlockIndex first);
    // The same of digest() alone.
    Result<BlockRange> load_digests(BlockIndex first);
    // Of the group's block `number`.
    const Digest& digest(std::uint64_t number) const { return digests_[number]; }
    // Empty where the block is zero.
    ConstByteSpan frame(std::uint64_t number) const;

  private:
    class File {
      public:
        static Result<File> open(const std::filesystem::path& path);
        Result<void> read(Bytes offset, ByteSpan into) const;

      private:
        File(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
        Fd fd_;
        std::filesystem::path path_;
    };

    StoredVersion(File data, File index, File tree, std::filesystem::path folder,
                  const format::Manifest& manifest);
    Error damaged() const;
    Result<void> load_index(BlockRange group);
    Result<void> load_data();

    File data_file_;
    File index_file_;
    File tree_file_;
    std::filesystem::path folder_;
    format::Manifest manifest_;
    format::HashTreeShape shape_;
    Digest zero_digest_;
    std::vector<Digest> digests_;        // of the group's blocks
    std::vector<format::Frame> frames_;  // likewise
    ByteVector data_;
    Bytes data_offset_;
};

}  // namespace regild::publish
