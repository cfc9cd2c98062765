// SPDX-License-Identifier: GPL-2.0-or-later
// Which mapped devices lie on a block device, as sysfs tells it.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"

namespace regild::dm {

// "/sys/dev/block/254:3".
Result<std::string> device_directory(const std::string& path);

// Another device than `own` ("dm-3") that lies on a block device, by the latter's directory in sysfs; nothing
// where there is none.
std::optional<std::string> other_holder(const std::string& device_directory, const std::string& own);

// Whether all that is mapped on these two block devices is one writelog table that is read-only, with none
// waiting to replace it: until somebody loads another, nothing is written through device-mapper.
bool is_mapped_read_only(const std::string& data_path, const std::string& log_path);

}  // namespace regild::dm
