// SPDX-License-Identifier: GPL-2.0-or-later
// Disks, partitions and plain files: found by path or libblkid tag, opened O_DIRECT, held exclusively.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.hpp"
#include "block/storage.hpp"

namespace regild::block {

// A path, or a tag that libblkid resolves (PARTLABEL=, PARTUUID=, UUID=, LABEL=), to the path of a device or
// file. Failure::refused where more than one device has the tag; Failure::disk where there is none (yet).
Result<std::string> resolve(const std::string& path_or_tag);

enum class Access {
    read,       // look only; somebody else may hold the device
    exclusive,  // read and write; nobody else has it: O_EXCL on block devices, flock on files.
                // Failure::busy where another process has it so, Failure::refused where it is mounted, mapped
                // or the like, or a process has it just this moment
    shared,     // read and write, beside our own table that is in use; waits while another process has it so
    held,       // read and write, while our own unresumed device-mapper table holds the device
};

class Device final : public Storage {
  public:
    // O_DIRECT where the file system or device allows it. The access lasts as long as the object. A file's
    // last bytes count only as whole sectors of 512 bytes, which is a file's alignment; a device's is its
    // logical block.
    static Result<std::unique_ptr<Device>> open(const std::string& path, Access access);
    const std::string& name() const override { return path_; }
    Bytes size() const override { return size_; }
    Bytes alignment() const override { return alignment_; }
    Result<void> read(Bytes offset, ByteSpan into) override;
    Result<void> write(Bytes offset, ConstByteSpan from) override;
    Result<void> zero(Bytes offset, Bytes length) override;
    Result<void> flush() override;

    bool is_block_device() const { return is_block_device_; }
    int fd() const { return fd_.get(); }

  private:
    Device() = default;
    int fd_for(const void* memory, std::uint64_t offset, std::uint64_t length) const;
    Result<void> check_range(const char* what, Bytes offset, Bytes length) const;
    Error io_error(const char* what, std::uint64_t offset) const;
    Result<void> zero_device(Bytes offset, Bytes end);
    Result<void> zero_file(Bytes offset, Bytes end);
    Result<void> write_zeros(Bytes offset, Bytes length);

    std::string path_;
    Fd fd_;
    // Plain files that are open O_DIRECT only: for the request that is not aligned to 4 KiB, such as the end
    // of an image whose size is no multiple of it.
    Fd buffered_fd_;
    Bytes size_;
    Bytes alignment_;
    bool is_block_device_ = false;
};

}  // namespace regild::block
