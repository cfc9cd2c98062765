// SPDX-License-Identifier: GPL-2.0-or-later
// The cache, for a command that writes to it while another process may have it.
#pragma once

#include <string>

#include "base/observer.hpp"
#include "boot/boot.hpp"
#include "volume/nearby_devices.hpp"

namespace regild::cli {

// As volume::open_cache, but waits until no other process has it, which the observer is told once. Where
// `wait` fails, that.
Result<volume::OpenCache> wait_for_cache(const std::string& path_or_tag, Observer& observer,
                                         const boot::Wait& wait);

}  // namespace regild::cli
