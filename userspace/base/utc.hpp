// SPDX-License-Identifier: GPL-2.0-or-later
// Points in time as documents have them: "2026-11-27T12:00:00Z" (RFC 3339), without a leap second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace regild {

// Seconds since 1970, up to the end of the year 9999.
inline constexpr std::uint64_t max_utc = 253402300799;

// `seconds` is at most max_utc.
std::string utc_text(std::uint64_t seconds);
std::optional<std::uint64_t> parse_utc(const std::string& text);

// What the clock says, but never before this program was built: a machine whose battery is empty starts long
// ago.
std::uint64_t utc_now();

}  // namespace regild
