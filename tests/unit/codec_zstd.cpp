// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/zstd.hpp"

#include <catch2/catch.hpp>

namespace regild::codec {
namespace {

ByteVector text(std::size_t size) {
    ByteVector bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::byte>(i / 100);
    return bytes;
}

ByteVector frame_of(ConstByteSpan bytes, int level) {
    ByteVector frame(longest_frame(Bytes(bytes.size())).count());
    frame.resize(Compressor(level).compress(bytes, frame).value().count());
    return frame;
}

TEST_CASE("a frame gives back what was compressed") {
    const int level = GENERATE(lowest_zstd_level, 9, highest_zstd_level);
    Decompressor decompressor;
    for (const std::size_t size : {512u, 4096u, 65536u, 524288u}) {
        const ByteVector bytes = text(size);
        const ByteVector frame = frame_of(bytes, level);
        CHECK(frame.size() < size);
        ByteVector back(size);
        CHECK(decompressor.decompress(frame, back));
        CHECK(back == bytes);
    }
}

TEST_CASE("a frame of more or fewer bytes is refused, and nothing is written past the end") {
    Decompressor decompressor;
    const ByteVector frame = frame_of(text(65536), 1);
    ByteVector into(65536 + 16, std::byte{0x55});
    CHECK_FALSE(decompressor.decompress(frame, ByteSpan(into).first(65535)));
    CHECK_FALSE(decompressor.decompress(frame, ByteSpan(into).first(4096)));
    for (std::size_t i = 65535; i < into.size(); ++i)
        REQUIRE(into[i] == std::byte{0x55});
    CHECK_FALSE(decompressor.decompress(frame, into));
    CHECK_FALSE(
        decompressor.decompress(ConstByteSpan(frame).first(frame.size() - 1), ByteSpan(into).first(65536)));
    CHECK_FALSE(decompressor.decompress({}, ByteSpan(into).first(65536)));
    // After all that it still works.
    CHECK(decompressor.decompress(frame, ByteSpan(into).first(65536)));
}

TEST_CASE("zeros are compressed without being there") {
    Compressor compressor(9);
    for (const std::size_t size : {std::size_t{4096}, std::size_t{3 * 65536}, std::size_t{5 << 20}}) {
        const Result<ByteVector> frame = compressor.compress_zeros(Bytes(size));
        REQUIRE(frame.ok());
        CHECK(frame->size() < 32 + size / 16384);
        ByteVector back(size, std::byte{1});
        CHECK(Decompressor().decompress(*frame, back));
        CHECK(all_zero(back));
    }
    CHECK(compressor.compress_zeros(MiB(1024))->size() < 64 * 1024);
}

}  // namespace
}  // namespace regild::codec
