// SPDX-License-Identifier: GPL-2.0-or-later
// A frame from a stranger: the first byte chooses the block size. The sanitizers watch the buffer's end.
#include "codec/zstd.hpp"

using namespace regild;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    codec::Decompressor decompressor;
    ByteVector block(std::size_t{4096} << data[0] % 8);
    decompressor.decompress(std::as_bytes(std::span(data, size)).subspan(1), block);
    return 0;
}
