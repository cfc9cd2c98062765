// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/delta_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "base/replace_file.hpp"
#include "base/write_all.hpp"

namespace regild::volume {
namespace {

constexpr mode_t mode = 0644;
constexpr std::size_t most_unwritten = std::size_t{1} << 20;

std::filesystem::path folder_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : ".";
}

}  // namespace

Result<DeltaWriter> DeltaWriter::create(const std::filesystem::path& path, const format::Manifest& base,
                                        format::Manifest next) {
    if (std::error_code error; std::filesystem::exists(path, error))
        return Error{Failure::usage, path.string() + " exists: give the delta another name"};
    std::string temporary = folder_of(path) / ("." + path.filename().string() + ".XXXXXX");
    Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) return errno_error("cannot create a file in " + folder_of(path).string());
    return DeltaWriter(std::move(fd), path, temporary, base, std::move(next));
}

DeltaWriter::DeltaWriter(Fd fd, std::filesystem::path path, std::filesystem::path temporary,
                         const format::Manifest& base, format::Manifest next)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      temporary_(std::move(temporary)),
      header_{.base_version = base.version, .base_root_hash = base.root_hash},
      next_(std::move(next)) {
    // As long as it will be with its root hash.
    header_.manifest_length = static_cast<std::uint32_t>(format::serialize_manifest(next_).size());
    written_ = Bytes(format::delta_header_size + header_.manifest_length);
}

DeltaWriter::DeltaWriter(DeltaWriter&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      header_(other.header_),
      next_(std::move(other.next_)),
      unwritten_(std::move(other.unwritten_)),
      written_(other.written_) {}

DeltaWriter::~DeltaWriter() {
    if (!temporary_.empty()) unlink(temporary_.c_str());
}

Result<void> DeltaWriter::write(Bytes offset, ConstByteSpan bytes) {
    if (write_all(fd_.get(), bytes, static_cast<off_t>(offset.count()))) return {};
    return errno_error("cannot write " + path_.string());
}

Result<void> DeltaWriter::write_entries() {
    if (Result<void> written = write(written_, unwritten_); !written) return written;
    written_ += Bytes(unwritten_.size());
    unwritten_.clear();
    return {};
}

Result<void> DeltaWriter::add(BlockIndex block, ConstByteSpan frame) {
    const auto entry = format::serialize_delta_entry({block, static_cast<std::uint32_t>(frame.size())});
    unwritten_.insert(unwritten_.end(), entry.begin(), entry.end());
    unwritten_.insert(unwritten_.end(), frame.begin(), frame.end());
    ++header_.entries;
    return unwritten_.size() < most_unwritten ? Result<void>() : write_entries();
}

Result<format::Manifest> DeltaWriter::finish(const Digest& root_hash) {
    next_.root_hash = root_hash;
    const std::string manifest = format::serialize_manifest(next_);
    if (Result<void> written = write_entries(); !written) return written.error();
    if (Result<void> written = write(Bytes(format::delta_header_size), as_bytes(manifest)); !written)
        return written.error();
    if (Result<void> written = write(Bytes(0), format::serialize_delta_header(header_)); !written)
        return written.error();
    if (fchmod(fd_.get(), mode) != 0) return errno_error("cannot set the mode of " + path_.string());
    if (fsync(fd_.get()) != 0) return errno_error("cannot sync " + path_.string());
    if (rename(temporary_.c_str(), path_.c_str()) != 0)
        return errno_error("cannot give the delta its name " + path_.string());
    temporary_ = path_;
    if (Result<void> synced = sync_folder(folder_of(path_)); !synced) return synced.error();
    temporary_.clear();
    return next_;
}

}  // namespace regild::volume
