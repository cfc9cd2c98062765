// SPDX-License-Identifier: GPL-2.0-or-later
// Tells a hold that a running tool has from one that a killed tool left behind: the lock goes with the
// process.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace regild::dm {

// Locks `folder`/`name`.hold, which it makes, until the descriptor is closed. Failure::refused when another
// process has it.
Result<Fd> lock_hold(const std::string& folder, const std::string& name);

}  // namespace regild::dm
