// SPDX-License-Identifier: GPL-2.0-or-later
// The log of a volume that may be mapped, for a command that writes its image record.
#pragma once

#include <memory>
#include <string>

#include "block/device.hpp"
#include "log/write_log.hpp"

namespace regild::cli {

// Others that write its record wait meanwhile. The log refers to the device, and has a record.
struct SharedLog {
    std::unique_ptr<block::Device> device;
    log::WriteLog write_log;
};

// Failure::refused: there is no log, or it has no valid record.
Result<SharedLog> open_shared(const std::string& path_or_tag);

}  // namespace regild::cli
