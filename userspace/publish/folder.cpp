// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

#include "base/replace_file.hpp"
#include "base/write_all.hpp"
#include "format/manifest.hpp"

namespace regild::publish {
namespace {

constexpr mode_t file_mode = 0644;
constexpr mode_t folder_mode = 0755;
constexpr const char* partial_infix = ".partial-";
constexpr std::string_view document_suffix = ".json";

// A folder that is there keeps its mode: its owner chose it.
Result<void> make_folder(const std::filesystem::path& path) {
    if (mkdir(path.c_str(), folder_mode) != 0) {
        if (errno == EEXIST) return {};
        return errno_error("cannot create folder " + path.string());
    }
    if (chmod(path.c_str(), folder_mode) != 0) return errno_error("cannot set the mode of " + path.string());
    return sync_folder(path / "..");
}

}  // namespace

std::optional<std::uint64_t> version_of(const std::string& name) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || number == 0 || number > format::max_version || std::to_string(number) != name)
        return std::nullopt;
    return number;
}

std::optional<std::string> channel_of(const std::string& name) {
    if (name.starts_with('.') || !name.ends_with(document_suffix)) return std::nullopt;
    return name.substr(0, name.size() - document_suffix.size());
}

bool is_partial(const std::string& name) {
    return name.starts_with('.') && name.find(partial_infix) != std::string::npos;
}

Result<std::vector<std::string>> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        names.push_back(entry->path().filename());
    if (error)
        return Error{Failure::failed, "cannot read folder " + folder.string() + ": " + error.message()};
    std::ranges::sort(names);
    return names;
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& path, Bytes size) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file_mode));
    if (!fd) return errno_error("cannot create " + path.string());
    // fchmod because the umask may hide the file from the web server.
    if (fchmod(fd.get(), file_mode) != 0) return errno_error("cannot set the mode of " + path.string());
    if (ftruncate(fd.get(), static_cast<off_t>(size.count())) != 0)
        return errno_error("cannot make " + path.string() + " " + format_size(size) + " long");
    return OutputFile(std::move(fd), path);
}

Result<void> OutputFile::write(Bytes offset, ConstByteSpan bytes) {
    if (!write_all(fd_.get(), bytes, static_cast<off_t>(offset.count())))
        return errno_error("cannot write " + path_.string());
    return {};
}

Result<void> OutputFile::sync() {
    if (fsync(fd_.get()) != 0) return errno_error("cannot sync " + path_.string());
    return {};
}

Result<ImageFolder> ImageFolder::open(const std::filesystem::path& store, const std::string& image) {
    const std::filesystem::path path = store / image;
    if (Result<void> made = make_folder(store); !made) return made.error();
    if (Result<void> made = make_folder(path); !made) return made.error();
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open folder " + path.string());
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return Error{Failure::refused,
                         "another publisher is at work in " + path.string() + ": wait until it has finished"};
        return errno_error("cannot lock folder " + path.string());
    }
    return ImageFolder(std::move(fd), path);
}

Result<void> ImageFolder::remove_leftovers() {
    const Result<std::vector<std::string>> names = names_in(path_);
    if (!names) return names.error();
    std::error_code error;
    for (const std::string& name : *names)
        if (!error && is_partial(name)) std::filesystem::remove_all(path_ / name, error);
    if (error)
        return Error{Failure::failed, "cannot remove what an interrupted publish left in " + path_.string() +
                                          ": " + error.message()};
    return {};
}

Result<PartialVersion> PartialVersion::create(const ImageFolder& folder, std::uint64_t version) {
    const std::string number = std::to_string(version);
    std::string path = folder.path() / ("." + number + partial_infix + "XXXXXX");
    if (!mkdtemp(path.data())) return errno_error("cannot create a folder in " + folder.path().string());
    PartialVersion partial(path, folder.path() / number);
    if (chmod(path.c_str(), folder_mode) != 0) return errno_error("cannot set the mode of " + path);
    return partial;
}

PartialVersion::PartialVersion(PartialVersion&& other) noexcept
    : path_(std::exchange(other.path_, {})), final_path_(std::move(other.final_path_)) {}

PartialVersion::~PartialVersion() {
    if (path_.empty()) return;
    std::error_code ignored;  // the next publisher removes what is left
    std::filesystem::remove_all(path_, ignored);
}

Result<void> PartialVersion::commit() {
    if (Result<void> synced = sync_folder(path_); !synced) return synced;
    if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path_.c_str(), RENAME_NOREPLACE) != 0) {
        if (errno == EEXIST)
            return Error{Failure::refused, final_path_.string() + " exists; a version is never overwritten"};
        return errno_error("cannot rename " + path_.string() + " to " + final_path_.string());
    }
    path_.clear();
    return sync_folder(final_path_.parent_path());
}

}  // namespace regild::publish
