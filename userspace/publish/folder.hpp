// SPDX-License-Identifier: GPL-2.0-or-later
// The store's folders while a version is being published: locked, built aside, renamed into place.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::publish {

inline constexpr const char* manifest_name = "manifest.json";

// The number of the version whose folder has this name; nothing: it is none of a version.
std::optional<std::uint64_t> version_of(const std::string& name);
// The channel whose file in an image's folder has this name; nothing: it is none of a channel.
std::optional<std::string> channel_of(const std::string& name);
// Whether a publisher builds a version in a folder of this name, or did so until it was cut off.
bool is_partial(const std::string& name);
// What is in a folder, in the order of the names.
Result<std::vector<std::string>> names_in(const std::filesystem::path& folder);

// A new file that a web server may read. Move-only.
class OutputFile {
  public:
    // All zeros (a hole) of length `size`, mode 0644.
    static Result<OutputFile> create(const std::filesystem::path& path, Bytes size);
    Result<void> write(Bytes offset, ConstByteSpan bytes);
    Result<void> sync();

  private:
    OutputFile(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Fd fd_;
    std::filesystem::path path_;
};

// <store>/<image>, created if it is not there, locked as long as the object lives: one publisher an image.
class ImageFolder {
  public:
    // Failure::refused: another publisher has it.
    static Result<ImageFolder> open(const std::filesystem::path& store, const std::string& image);
    const std::filesystem::path& path() const { return path_; }
    // Removes what publishers left behind that were killed. Under the lock no other one is alive.
    Result<void> remove_leftovers();

  private:
    ImageFolder(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Fd fd_;
    std::filesystem::path path_;
};

// <store>/<image>/.<version>.partial-XXXXXX, removed with the object unless it was committed.
class PartialVersion {
  public:
    static Result<PartialVersion> create(const ImageFolder& folder, std::uint64_t version);
    PartialVersion(PartialVersion&& other) noexcept;
    PartialVersion& operator=(PartialVersion&&) = delete;
    ~PartialVersion();

    const std::filesystem::path& path() const { return path_; }
    // Durable under its final name when this returns; its files are synced already. Failure::refused: there
    // is such a version.
    Result<void> commit();

  private:
    PartialVersion(std::filesystem::path path, std::filesystem::path final_path)
        : path_(std::move(path)), final_path_(std::move(final_path)) {}
    std::filesystem::path path_;  // empty once committed
    std::filesystem::path final_path_;
};

}  // namespace regild::publish
