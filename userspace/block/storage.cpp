// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/storage.hpp"

#include <cstdlib>
#include <new>
#include <utility>

namespace regild::block {
namespace {

constexpr std::size_t alignment = 4096;

}  // namespace

AlignedBuffer::AlignedBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    // aligned_alloc wants a multiple of the alignment.
    data_ = static_cast<std::byte*>(
        std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment));
    if (data_ == nullptr) throw std::bad_alloc();
}

AlignedBuffer::~AlignedBuffer() {
    std::free(data_);
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

}  // namespace regild::block
