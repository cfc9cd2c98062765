// SPDX-License-Identifier: GPL-2.0-or-later
// regild update beside a volume that is in use: what it would do, and getting ready for the next boot.
#pragma once

#include "cli/command.hpp"

namespace regild::cli {

inline constexpr Option check_option{"check", nullptr, "only tell what would be installed, and its bytes"};
inline constexpr Option stage_option{"stage", nullptr,
                                     "fetch it into the cache, for the next boot to install"};
inline constexpr Option reboot_option{"reboot", nullptr, "stage it, then start the machine anew"};

// Whether one of these is given.
bool is_staging(const Arguments& arguments);
Result<ExitCode> run_staging(const Environment& environment, const Arguments& arguments);

}  // namespace regild::cli
