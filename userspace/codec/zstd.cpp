// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/zstd.hpp"

#include <zstd.h>

#include <algorithm>
#include <new>

namespace regild::codec {
namespace {

constexpr std::size_t zeros_at_once = std::size_t{128} << 10;

Error zstd_error(std::size_t code) {
    return {Failure::failed, std::string("cannot compress: ") + ZSTD_getErrorName(code)};
}

}  // namespace

struct Compressor::State {
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context{ZSTD_createCCtx(), ZSTD_freeCCtx};
};

struct Decompressor::State {
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context{ZSTD_createDCtx(), ZSTD_freeDCtx};
};

Result<void> check_zstd_level(std::uint64_t level) {
    if (level >= lowest_zstd_level && level <= highest_zstd_level) return {};
    return Error{Failure::usage, "a zstd level is a number from " + std::to_string(lowest_zstd_level) +
                                     " to " + std::to_string(highest_zstd_level)};
}

Bytes longest_frame(Bytes size) {
    return Bytes(ZSTD_compressBound(size.count()));
}

Compressor::Compressor(int level) : state_(std::make_unique<State>()) {
    if (!state_->context) throw std::bad_alloc();
    ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel, level);
}
Compressor::~Compressor() = default;
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;

Result<Bytes> Compressor::compress(ConstByteSpan from, ByteSpan into) {
    const std::size_t length =
        ZSTD_compress2(state_->context.get(), into.data(), into.size(), from.data(), from.size());
    if (ZSTD_isError(length)) return zstd_error(length);
    return Bytes(length);
}

Result<ByteVector> Compressor::compress_zeros(Bytes size) {
    ZSTD_CCtx* const context = state_->context.get();
    const ByteVector zeros(std::min<std::size_t>(size.count(), zeros_at_once));
    ByteVector frame;
    ByteVector part(ZSTD_CStreamOutSize());
    ZSTD_CCtx_setPledgedSrcSize(context, size.count());
    for (std::uint64_t left = size.count(); left > 0;) {
        ZSTD_inBuffer in{zeros.data(), std::min<std::size_t>(left, zeros.size()), 0};
        left -= in.size;
        const ZSTD_EndDirective directive = left == 0 ? ZSTD_e_end : ZSTD_e_continue;
        for (;;) {
            ZSTD_outBuffer out{part.data(), part.size(), 0};
            const std::size_t unfinished = ZSTD_compressStream2(context, &out, &in, directive);
            if (ZSTD_isError(unfinished)) {
                ZSTD_CCtx_reset(context, ZSTD_reset_session_only);
                return zstd_error(unfinished);
            }
            frame.insert(frame.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(out.pos));
            if (in.pos == in.size && (directive == ZSTD_e_continue || unfinished == 0)) break;
        }
    }
    return frame;
}

Decompressor::Decompressor() : state_(std::make_unique<State>()) {
    if (!state_->context) throw std::bad_alloc();
}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

bool Decompressor::decompress(ConstByteSpan frame, ByteSpan into) {
    const std::size_t length =
        ZSTD_decompressDCtx(state_->context.get(), into.data(), into.size(), frame.data(), frame.size());
    return !ZSTD_isError(length) && length == into.size();
}

}  // namespace regild::codec
