// SPDX-License-Identifier: GPL-2.0-or-later
// Writes the data, the index and the hash tree of a version while its blocks come in.
#pragma once

#include <filesystem>
#include <memory>

#include "format/manifest.hpp"
#include "publish/frames.hpp"
#include "publish/tree.hpp"

namespace regild::publish {

class VersionWriter {
  public:
    // Into a folder, under the names in `manifest`, whose root hash is not looked at.
    static Result<std::unique_ptr<VersionWriter>> create(const std::filesystem::path& folder,
                                                         const format::Manifest& manifest, int zstd_level);
    VersionWriter(const VersionWriter&) = delete;
    VersionWriter& operator=(const VersionWriter&) = delete;

    // The next blocks: `frames` one behind the other, `lengths` and `digests` of each block; a block of
    // zeros has the length 0.
    Result<void> add(ConstByteSpan frames, std::span<const std::uint32_t> lengths,
                     std::span<const Digest> digests);
    // The next blocks are zero.
    Result<void> add_zeros(Blocks count);

    const Digest& zero_digest() const { return zero_digest_; }
    // Of the blocks that came in.
    Blocks zero_blocks() const { return zero_blocks_; }

    struct Written {
        Digest root_hash;
        Bytes frames;  // length of the data
    };
    // Writes what is unfinished; all is durable when it returns, but for the names.
    Result<Written> finish();

  private:
    VersionWriter(OutputFile frames, OutputFile index, OutputFile tree, const format::Manifest& manifest,
                  int zstd_level);

    OutputFile frames_file_;
    OutputFile index_file_;
    OutputFile tree_file_;
    const Digest zero_digest_;
    FramesWriter frames_;
    HashTreeWriter tree_;
    Blocks zero_blocks_;
};

}  // namespace regild::publish
