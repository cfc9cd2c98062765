// SPDX-License-Identifier: GPL-2.0-or-later
// A delta (FORMAT.md 2.3) from a file that anybody may have made: its blocks, each checked to be one.
#pragma once

#include <filesystem>
#include <optional>

#include "base/fd.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "format/delta.hpp"
#include "format/manifest.hpp"

namespace regild::publish {

struct DeltaBlock {
    BlockIndex index;
    Digest digest;
    ConstByteSpan frame;  // until the next call; empty where the block is zero
};

class DeltaReader {
  public:
    // Failure::usage: not a delta, or one that is damaged.
    static Result<DeltaReader> open(const std::filesystem::path& path);

    const format::DeltaHeader& header() const { return header_; }
    // Of what the delta leads to; nobody has checked yet that it does.
    const format::Manifest& manifest() const { return manifest_; }

    // Ascending; nothing after the last one. Failure::usage: the entry is out of order or range, its frame is
    // none of a block, or the file ends too early or too late.
    Result<std::optional<DeltaBlock>> next();

  private:
    DeltaReader(Fd fd, std::filesystem::path path, const format::DeltaHeader& header,
                format::Manifest manifest);
    Result<void> read(ByteSpan into);

    Fd fd_;
    std::filesystem::path path_;
    format::DeltaHeader header_;
    format::Manifest manifest_;
    Bytes position_;
    std::uint64_t taken_ = 0;  // entries
    BlockIndex least_;         // that the next entry may be of
    ByteVector frame_;
    ByteVector content_;
    codec::Decompressor decompressor_;
    codec::SaltedSha256 hash_;
};

}  // namespace regild::publish
