// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/shared_log.hpp"

namespace regild::cli {

Result<SharedLog> open_shared(const std::string& path_or_tag) {
    const Result<std::string> path = block::resolve(path_or_tag);
    if (!path) return path.error();
    Result<std::unique_ptr<block::Device>> device = block::Device::open(*path, block::Access::shared);
    if (!device) return device.error();
    Result<std::optional<log::WriteLog>> log = log::WriteLog::open(**device);
    if (!log) return log.error();
    if (!*log || !(*log)->record())
        return Error{Failure::refused, "no log on " + *path + " says which version there is"};
    return SharedLog{*std::move(device), **std::move(log)};
}

}  // namespace regild::cli
