// SPDX-License-Identifier: GPL-2.0-or-later
// Who lies on a block device, as sysfs tells it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace regild::dm {

// "/sys/dev/block/254:3".
Result<std::string> device_directory(const std::string& path);

// All that lie on a block device, such as "dm-3", by the latter's directory in sysfs.
Result<std::vector<std::string>> holders(const std::string& device_directory);

// One of them that is not `own`; nothing where there is none. Who cannot be looked at counts as one.
std::optional<std::string> other_holder(const std::string& device_directory, const std::string& own);

}  // namespace regild::dm
