// SPDX-License-Identifier: GPL-2.0-or-later
// Writes a delta (FORMAT.md 2.3) while it is found out what is in it.
#pragma once

#include <filesystem>

#include "base/fd.hpp"
#include "format/delta.hpp"
#include "format/manifest.hpp"

namespace regild::volume {

class DeltaWriter {
  public:
    // From `base` to `next`, whose root hash is not known yet. Failure::usage: there is such a file. Until
    // finish() it has another name, and it is removed with the object.
    static Result<DeltaWriter> create(const std::filesystem::path& path, const format::Manifest& base,
                                      format::Manifest next);
    DeltaWriter(DeltaWriter&& other) noexcept;
    DeltaWriter& operator=(DeltaWriter&&) = delete;
    ~DeltaWriter();

    // Ascending; an empty frame is a block of zeros.
    Result<void> add(BlockIndex block, ConstByteSpan frame);
    // The delta is durable under its name when this returns; what it leads to.
    Result<format::Manifest> finish(const Digest& root_hash);

  private:
    DeltaWriter(Fd fd, std::filesystem::path path, std::filesystem::path temporary,
                const format::Manifest& base, format::Manifest next);
    Result<void> write_entries();
    Result<void> write(Bytes offset, ConstByteSpan bytes);

    Fd fd_;
    std::filesystem::path path_;
    std::filesystem::path temporary_;  // empty once it has its name
    format::DeltaHeader header_;
    format::Manifest next_;
    ByteVector unwritten_;  // entries
    Bytes written_;         // up to where the file is
};

}  // namespace regild::volume
