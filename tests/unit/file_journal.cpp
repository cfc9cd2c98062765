// SPDX-License-Identifier: GPL-2.0-or-later
// The C library's functions by which a device is written are defined here once more, for the whole test
// program; they do what those do.
#include "file_journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>
#include <utility>

namespace regild::test {
namespace {

struct Watched {
    std::mutex mutex;
    bool on = false;
    std::vector<std::pair<dev_t, ino_t>> files;
    std::vector<FileOperation> operations;

    // With the mutex held.
    std::optional<std::size_t> number_of(int fd) const {
        struct stat found {};
        if (!on || fstat(fd, &found) != 0) return std::nullopt;
        for (std::size_t i = 0; i < files.size(); ++i)
            if (files[i] == std::pair(found.st_dev, found.st_ino)) return i;
        return std::nullopt;
    }
};

Watched& watched() {
    static Watched watched;
    return watched;
}

}  // namespace

FileJournal::FileJournal(const std::vector<std::filesystem::path>& paths) {
    const std::lock_guard lock(watched().mutex);
    if (watched().on) throw std::runtime_error("there is a journal already");
    for (const std::filesystem::path& path : paths) {
        struct stat found {};
        if (stat(path.c_str(), &found) != 0) throw std::runtime_error("no file " + path.string());
        watched().files.emplace_back(found.st_dev, found.st_ino);
    }
    watched().on = true;
}

FileJournal::~FileJournal() {
    const std::lock_guard lock(watched().mutex);
    watched().on = false;
    watched().files.clear();
    watched().operations.clear();
}

std::size_t FileJournal::size() const {
    const std::lock_guard lock(watched().mutex);
    return watched().operations.size();
}

std::vector<FileOperation> FileJournal::take() {
    const std::lock_guard lock(watched().mutex);
    return std::exchange(watched().operations, {});
}

}  // namespace regild::test

using regild::Bytes;
using regild::test::Operation;
using regild::test::watched;

extern "C" {

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    const std::lock_guard lock(watched().mutex);
    const ssize_t written = syscall(SYS_pwrite64, fd, data, size, offset);
    if (written <= 0) return written;
    if (const auto file = watched().number_of(fd)) {
        const auto* const bytes = static_cast<const std::byte*>(data);
        watched().operations.push_back({*file,
                                        {Operation::Kind::write,
                                         Bytes(static_cast<std::uint64_t>(offset)),
                                         Bytes(static_cast<std::uint64_t>(written)),
                                         {bytes, bytes + written}}});
    }
    return written;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    const std::lock_guard lock(watched().mutex);
    const auto result = static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, length));
    if (result != 0) return result;
    if (const auto file = watched().number_of(fd))
        watched().operations.push_back({*file,
                                        {Operation::Kind::zero,
                                         Bytes(static_cast<std::uint64_t>(offset)),
                                         Bytes(static_cast<std::uint64_t>(length)),
                                         {}}});
    return result;
}

int fdatasync(int fd) {
    const std::lock_guard lock(watched().mutex);
    const auto result = static_cast<int>(syscall(SYS_fdatasync, fd));
    if (result != 0) return result;
    if (const auto file = watched().number_of(fd))
        watched().operations.push_back({*file, {Operation::Kind::flush, {}, {}, {}}});
    return result;
}
}
