// SPDX-License-Identifier: GPL-2.0-or-later
// Zstandard frames (RFC 8878) of whole buffers (libzstd).
#pragma once

#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::codec {

inline constexpr int lowest_zstd_level = 1;
inline constexpr int highest_zstd_level = 19;  // above it a reader needs more memory

// Failure::usage: there is no such level.
Result<void> check_zstd_level(std::uint64_t level);

// The longest frame that a Compressor makes of `size` bytes.
Bytes longest_frame(Bytes size);

// Not thread-safe: one object a thread.
class Compressor {
  public:
    // `level` from lowest_zstd_level to highest_zstd_level.
    explicit Compressor(int level);
    ~Compressor();
    Compressor(Compressor&&) noexcept;
    Compressor& operator=(Compressor&&) noexcept;

    // Puts one frame of `from` at the start of `into`, which has room for longest_frame(); its length.
    Result<Bytes> compress(ConstByteSpan from, ByteSpan into);
    // One frame of `size` zeros, made without that many zeros in memory.
    Result<ByteVector> compress_zeros(Bytes size);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Not thread-safe: one object a thread.
class Decompressor {
  public:
    Decompressor();
    ~Decompressor();
    Decompressor(Decompressor&&) noexcept;
    Decompressor& operator=(Decompressor&&) noexcept;

    // Fills `into`, and writes nothing past it whatever the frame says. False when `frame` is no frame, or
    // one of more or fewer bytes.
    bool decompress(ConstByteSpan frame, ByteSpan into);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace regild::codec
