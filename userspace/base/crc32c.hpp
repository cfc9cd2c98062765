// SPDX-License-Identifier: GPL-2.0-or-later
// CRC-32C (Castagnoli), the checksum of the write log: iSCSI's, RFC 3720 appendix B.4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace regild {

// The CRC-32C of `data`; pass the result of an earlier call as `crc` to go on where that one ended.
std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t crc = 0);

}  // namespace regild
