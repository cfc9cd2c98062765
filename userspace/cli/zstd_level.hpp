// SPDX-License-Identifier: GPL-2.0-or-later
// How hard the commands compress that make frames.
#pragma once

#include "cli/command.hpp"

namespace regild::cli {

inline constexpr Option zstd_level_option{"zstd-level", "N", "1 (fast) to 19 (small) (default 14)"};

// What --zstd-level says, or the default. Failure::usage: there is no such level.
Result<int> zstd_level_of(const Arguments& arguments);

}  // namespace regild::cli
