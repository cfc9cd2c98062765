// SPDX-License-Identifier: GPL-2.0-or-later
// What a device is (sysfs, libblkid) and what lies on it: the questions to ask before it is written for the
// first time.
#pragma once

#include <string>

#include "base/disk_identity.hpp"
#include "block/device.hpp"

namespace regild::block {

Result<DiskIdentity> identify(const Device& device);
// The part of it that sysfs knows, from the directory of a block device such as /sys/dev/block/254:2.
DiskIdentity identity_from_sysfs(const std::string& device_directory);

struct Content {
    bool blank = false;          // no signature that libblkid knows, and the first MiB is zero
    std::string description;     // "ext4 file system", "GPT partition table", "unknown data", for messages
    std::string partition_type;  // GPT type UUID of the partition in lower case, or ""
};
Result<Content> probe_content(Device& device);

}  // namespace regild::block
