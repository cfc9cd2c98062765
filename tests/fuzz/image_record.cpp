// SPDX-License-Identifier: GPL-2.0-or-later
// An image record (seed: record.bin), with the checksum put right first.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/crc32c.hpp"
#include "format/image_record.hpp"

using namespace regild;
using namespace regild::format;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    ByteVector bytes(image_record_size);
    std::memcpy(bytes.data(), data, std::min(size, bytes.size()));
    const Uuid uuid;
    const std::uint32_t crc = crc32c(std::span(bytes).subspan(12), crc32c(uuid.bytes));
    for (std::size_t i = 0; i < 4; ++i)
        bytes[8 + i] = static_cast<std::byte>(crc >> (8 * i));
    const auto record = parse_image_record(std::span<const std::byte, image_record_size>(bytes), uuid);
    if (!record) return 0;
    const auto written = serialize_image_record(*record, uuid);
    if (!written) std::abort();
    const auto again = parse_image_record(std::span<const std::byte, image_record_size>(*written), uuid);
    if (!again || !(*again == *record)) std::abort();
    return 0;
}
