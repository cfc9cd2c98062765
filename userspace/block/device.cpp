// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/device.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "block/data_extent.hpp"

namespace regild::block {
namespace {

// Of requests to plain files opened O_DIRECT; enough for every logical block size that a log may have.
constexpr std::uint64_t direct_file_alignment = 4096;
constexpr std::uint64_t sector_size = 512;
// BLKZEROOUT cannot be interrupted: a SIGKILL waits for one piece.
constexpr Bytes zero_piece = MiB(256);

// Filesystems without direct I/O (tmpfs) answer EINVAL.
Fd open_direct_if_possible(const std::string& path, int flags, bool& direct) {
    Fd fd(::open(path.c_str(), flags | O_DIRECT));
    direct = static_cast<bool>(fd);
    if (!fd && errno == EINVAL) return Fd(::open(path.c_str(), flags));
    return fd;
}

// On all bytes, of this open file alone.
int lock_whole(int fd, int command, struct flock& lock) {
    lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return fcntl(fd, command, &lock);
}

// Nothing else tells a process that has a block device exclusively from a mount or a mapping. Where there are
// no such locks nothing does. (flock would not do: udev takes it, too.)
void show_exclusive(int fd) {
    struct flock lock;
    lock_whole(fd, F_OFD_SETLK, lock);
}

bool is_shown_exclusive(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_CLOEXEC | O_RDONLY));
    struct flock lock;
    return fd && lock_whole(fd.get(), F_OFD_GETLK, lock) == 0 && lock.l_type != F_UNLCK;
}

Error used_by_process(const std::string& path) {
    return {Failure::busy, path + " is in use by another process: wait until that has ended"};
}

Error in_use(const std::string& path) {
    if (is_shown_exclusive(path)) return used_by_process(path);
    return {Failure::refused, path + " is in use: unmount or unmap it first"};
}

bool is_multiple(std::uint64_t number, std::uint64_t of) {
    return number % of == 0;
}

}  // namespace

Result<std::unique_ptr<Device>> Device::open(const std::string& path, Access access) {
    struct stat before {};
    if (stat(path.c_str(), &before) != 0) return errno_error(path).as(Failure::disk);
    const bool is_block = S_ISBLK(before.st_mode);
    if (!is_block && !S_ISREG(before.st_mode))
        return Error{Failure::usage, path + " is neither a block device nor a file"};

    int flags = O_CLOEXEC | (access == Access::read ? O_RDONLY : O_RDWR);
    if (is_block && access == Access::exclusive) flags |= O_EXCL;

    std::unique_ptr<Device> device(new Device());
    device->path_ = path;
    device->is_block_device_ = is_block;
    bool direct = false;
    device->fd_ = open_direct_if_possible(path, flags, direct);
    if (!device->fd_)
        return errno == EBUSY ? in_use(path) : errno_error("cannot open " + path).as(Failure::disk);
    struct stat now {};
    if (fstat(device->fd(), &now) != 0) return errno_error("cannot look at " + path).as(Failure::disk);
    if (now.st_dev != before.st_dev || now.st_ino != before.st_ino || now.st_rdev != before.st_rdev)
        return Error{Failure::disk, path + " was replaced while it was opened"};

    if (access == Access::shared && flock(device->fd(), LOCK_EX) != 0)
        return errno_error("cannot lock " + path).as(Failure::disk);

    if (is_block) {
        std::uint64_t size = 0;
        int logical_block_size = 0;
        if (ioctl(device->fd(), BLKGETSIZE64, &size) != 0 ||
            ioctl(device->fd(), BLKSSZGET, &logical_block_size) != 0)
            return errno_error("cannot get the size of " + path).as(Failure::disk);
        device->size_ = Bytes(size);
        device->alignment_ = Bytes(static_cast<std::uint64_t>(logical_block_size));
        if (access == Access::exclusive) show_exclusive(device->fd());
        return device;
    }

    if (access == Access::exclusive && flock(device->fd(), LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? used_by_process(path)
                                    : errno_error("cannot lock " + path).as(Failure::disk);
    device->size_ = Bytes(static_cast<std::uint64_t>(now.st_size) / sector_size * sector_size);
    device->alignment_ = Bytes(sector_size);
    if (direct) {
        device->buffered_fd_ = Fd(::open(path.c_str(), flags));
        if (!device->buffered_fd_) return errno_error("cannot open " + path).as(Failure::disk);
    }
    return device;
}

int Device::fd_for(const void* memory, std::uint64_t offset, std::uint64_t length) const {
    const bool aligned = is_multiple(reinterpret_cast<std::uintptr_t>(memory), direct_file_alignment) &&
                         is_multiple(offset, direct_file_alignment) &&
                         is_multiple(length, direct_file_alignment);
    return buffered_fd_ && !aligned ? buffered_fd_.get() : fd_.get();
}

Result<void> Device::check_range(const char* what, Bytes offset, Bytes length) const {
    const char* problem = nullptr;
    if (offset > size_ || length > size_ - offset) problem = "past its end";
    if (!is_multiple(offset.count(), alignment_.count()) || !is_multiple(length.count(), alignment_.count()))
        problem = "not aligned to its sectors";
    if (problem == nullptr) return {};
    return Error{Failure::disk, path_ + ": " + what + " of " + std::to_string(length.count()) +
                                    " bytes at byte " + std::to_string(offset.count()) + " is " + problem};
}

Error Device::io_error(const char* what, std::uint64_t offset) const {
    const int error_number = errno;
    return errno_error(path_ + ": " + what + " at byte " + std::to_string(offset) + " failed", error_number)
        .as(Failure::disk);
}

Result<void> Device::read(Bytes offset, ByteSpan into) {
    if (Result<void> r = check_range("a read", offset, Bytes(into.size())); !r) return r;
    std::uint64_t at = offset.count();
    while (!into.empty()) {
        const ssize_t n =
            pread(fd_for(into.data(), at, into.size()), into.data(), into.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error("reading", at);
        if (n == 0)
            return Error{Failure::disk, path_ + ": ends at byte " + std::to_string(at) + ", it has shrunk"};
        into = into.subspan(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    return {};
}

Result<void> Device::write(Bytes offset, ConstByteSpan from) {
    if (Result<void> r = check_range("a write", offset, Bytes(from.size())); !r) return r;
    std::uint64_t at = offset.count();
    while (!from.empty()) {
        const ssize_t n =
            pwrite(fd_for(from.data(), at, from.size()), from.data(), from.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error("writing", at);
        from = from.subspan(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    return {};
}

Result<void> Device::zero(Bytes offset, Bytes length) {
    if (Result<void> r = check_range("zeroing", offset, length); !r) return r;
    return is_block_device_ ? zero_device(offset, offset + length) : zero_file(offset, offset + length);
}

Result<void> Device::zero_device(Bytes offset, Bytes end) {
    while (offset < end) {
        const Bytes piece = std::min(zero_piece, end - offset);
        std::uint64_t range[2] = {offset.count(), piece.count()};
        const int failed = ioctl(fd(), BLKZEROOUT, range);
        if (failed != 0 && errno == EINTR) continue;
        if (failed != 0) return io_error("zeroing", offset.count());
        offset += piece;
    }
    return {};
}

// What is a hole reads as zeros already. What is not keeps its place: to free it, and find another one at the
// next write, costs a file system more.
Result<void> Device::zero_file(Bytes offset, Bytes end) {
    int mode = FALLOC_FL_ZERO_RANGE;
    while (offset < end) {
        const Result<DataExtent> data = next_data(fd(), offset, end);
        if (!data) return data.error().context(path_).as(Failure::disk);
        offset = data->start;
        while (offset < data->end) {
            const Bytes piece = std::min(zero_piece, data->end - offset);
            const int failed = fallocate(fd(), mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset.count()),
                                         static_cast<off_t>(piece.count()));
            if (failed != 0 && errno == EINTR) continue;
            if (failed != 0 && errno == EOPNOTSUPP) {
                if (mode == FALLOC_FL_PUNCH_HOLE) return write_zeros(offset, end - offset);
                mode = FALLOC_FL_PUNCH_HOLE;
                continue;
            }
            if (failed != 0) return io_error("zeroing", offset.count());
            offset += piece;
        }
    }
    return {};
}

// For file systems that can neither.
Result<void> Device::write_zeros(Bytes offset, Bytes length) {
    AlignedBuffer zeros(std::min(length, MiB(1)).count());
    std::memset(zeros.data(), 0, zeros.size());
    const Bytes end = offset + length;
    while (offset < end) {
        const Bytes piece = std::min(Bytes(zeros.size()), end - offset);
        if (Result<void> r = write(offset, zeros.span(0, piece.count())); !r) return r;
        offset += piece;
    }
    return {};
}

Result<void> Device::flush() {
    while (fdatasync(fd()) != 0)
        if (errno != EINTR) return errno_error(path_ + ": flushing failed").as(Failure::disk);
    return {};
}

}  // namespace regild::block
