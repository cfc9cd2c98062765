// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/delta_reader.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/read_all.hpp"

namespace regild::publish {
namespace {

Error damaged(const std::filesystem::path& path, const std::string& how) {
    return {Failure::usage, "the delta " + path.string() + " is damaged: " + how};
}

Result<void> read_at(int fd, const std::filesystem::path& path, Bytes offset, ByteSpan into) {
    const std::optional<std::size_t> got = read_all(fd, into, static_cast<off_t>(offset.count()));
    if (!got) return errno_error("cannot read " + path.string());
    if (*got < into.size()) return damaged(path, "it ends too early");
    return {};
}

}  // namespace

Result<DeltaReader> DeltaReader::open(const std::filesystem::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status;
    if (!fd || fstat(fd.get(), &status) != 0) return errno_error("cannot open " + path.string());
    if (!S_ISREG(status.st_mode)) return Error{Failure::usage, path.string() + " is not a file"};
    std::array<std::byte, format::delta_header_size> bytes;
    if (Result<void> read = read_at(fd.get(), path, Bytes(0), bytes); !read) return read.error();
    const Result<format::DeltaHeader> header = format::parse_delta_header(bytes);
    if (!header) return header.error().context(path.string());
    std::string text(header->manifest_length, '\0');
    if (Result<void> read =
            read_at(fd.get(), path, Bytes(bytes.size()), std::as_writable_bytes(std::span(text)));
        !read)
        return read.error();
    Result<format::Manifest> manifest = format::parse_manifest(text);
    if (!manifest) return Error{Failure::usage, manifest.error().message}.context(path.string());
    return DeltaReader(std::move(fd), path, *header, *std::move(manifest));
}

DeltaReader::DeltaReader(Fd fd, std::filesystem::path path, const format::DeltaHeader& header,
                         format::Manifest manifest)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      header_(header),
      manifest_(std::move(manifest)),
      position_(format::delta_header_size + header.manifest_length),
      content_(manifest_.block_size.bytes().count()),
      hash_(manifest_.salt) {}

Result<void> DeltaReader::read(ByteSpan into) {
    if (Result<void> done = read_at(fd_.get(), path_, position_, into); !done) return done;
    position_ += Bytes(into.size());
    return {};
}

Result<std::optional<DeltaBlock>> DeltaReader::next() {
    if (taken_ == header_.entries) {
        std::byte more;
        const std::optional<std::size_t> got =
            read_all(fd_.get(), {&more, 1}, static_cast<off_t>(position_.count()));
        if (!got) return errno_error("cannot read " + path_.string());
        if (*got > 0) return damaged(path_, "something follows its last block");
        return std::optional<DeltaBlock>();
    }
    std::array<std::byte, format::delta_entry_size> bytes;
    if (Result<void> done = read(bytes); !done) return done.error();
    const format::DeltaEntry entry = format::parse_delta_entry(bytes);
    const std::string block = "block " + std::to_string(entry.block.value());
    if (entry.block < least_ || entry.block >= BlockIndex() + manifest_.blocks())
        return damaged(path_, block + " is out of order, or past the end of the image");
    if (Bytes(entry.frame_length) > codec::longest_frame(manifest_.block_size.bytes()))
        return damaged(path_, "the frame of " + block + " is too long");
    frame_.resize(entry.frame_length);
    if (Result<void> done = read(frame_); !done) return done.error();
    if (frame_.empty())
        std::ranges::fill(content_, std::byte{0});
    else if (!decompressor_.decompress(frame_, content_))
        return damaged(path_, "the frame of " + block + " is none of a block");
    // Zeros have no frame of their own in a store.
    if (all_zero(content_)) frame_.clear();
    ++taken_;
    least_ = entry.block + Blocks(1);
    return std::optional(DeltaBlock{entry.block, hash_(content_), frame_});
}

}  // namespace regild::publish
