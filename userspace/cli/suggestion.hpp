// SPDX-License-Identifier: GPL-2.0-or-later
// "Did you mean": the known word that a mistyped one is closest to.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace regild::cli {

// "; did you mean WORD?" for the first of `known` that is at most two insertions, deletions, replacements or
// swaps of neighbours away from `word` and shares a letter with it; "" when there is none.
std::string suggestion(std::string_view word, std::span<const std::string_view> known);

// `word` as it may be repeated in a message: in quotes if it looks like the name of a command or an option.
// Anything else may hold a password, so that "" is returned.
std::string quoted_name(std::string_view word);

}  // namespace regild::cli
