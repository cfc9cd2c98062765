// SPDX-License-Identifier: GPL-2.0-or-later
// Until when something is to last, as people say it on the command line.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace regild::cli {

// "2026-12-01T18:00:00+01:00" or "...Z" (RFC 3339 without fractions), or "2026-12-01 18:00" with or without
// seconds, which is local time, or "+90h" or "+7d" from `now` on. In seconds since 1970, up to the end of the
// year 9999. Failure::usage: it is none of these.
Result<std::uint64_t> parse_end_time(const std::string& text, std::uint64_t now);

}  // namespace regild::cli
