// SPDX-License-Identifier: GPL-2.0-or-later
// A range of bytes that can be read, written, zeroed and made durable: a disk, a partition, a file, or memory
// in tests.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::block {

// Offsets and lengths are multiples of alignment(); buffers come from AlignedBuffer. A range that leaves the
// storage is an error. read, write and zero may be called from several threads at once, where one writes or
// zeroes on ranges that do not overlap, and flush at any time.
class Storage {
  public:
    virtual ~Storage() = default;
    virtual const std::string& name() const = 0;  // for messages: the path
    virtual Bytes size() const = 0;
    virtual Bytes alignment() const = 0;
    virtual Result<void> read(Bytes offset, ByteSpan into) = 0;
    virtual Result<void> write(Bytes offset, ConstByteSpan from) = 0;
    // Reads as zeros afterwards, promised (never a discard).
    virtual Result<void> zero(Bytes offset, Bytes length) = 0;
    // All that write and zero finished is on stable storage when this returns.
    virtual Result<void> flush() = 0;
};

// Memory aligned to 4096 bytes for O_DIRECT, uninitialized, freed with the object. Move-only.
class AlignedBuffer {
  public:
    AlignedBuffer() = default;
    explicit AlignedBuffer(std::size_t size);
    ~AlignedBuffer();
    AlignedBuffer(AlignedBuffer&& other) noexcept;
    AlignedBuffer& operator=(AlignedBuffer&& other) noexcept;

    std::byte* data() { return data_; }
    std::size_t size() const { return size_; }
    ByteSpan span() { return {data_, size_}; }
    ByteSpan span(std::size_t offset, std::size_t length) { return span().subspan(offset, length); }

  private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace regild::block
