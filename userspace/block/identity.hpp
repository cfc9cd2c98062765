// SPDX-License-Identifier: GPL-2.0-or-later
// What a device is (sysfs, libblkid) and what lies on it: the questions to ask before it is written for the
// first time.
#pragma once

#include <string>

#include "base/disk_identity.hpp"
#include "block/device.hpp"

namespace regild::block {

// What a log is bound to. Only by PARTUUID or WWID is it proof, see DiskIdentity::is_proof.
Result<DiskIdentity> identify(const Device& device);
// The part of it that sysfs knows, from the directory of a block device such as /sys/dev/block/254:2.
DiskIdentity identity_from_sysfs(const std::string& device_directory);

struct Content {
    // No signature that libblkid knows; the first and the last MiB are zero, and so is what was sampled in
    // between: up to 1024 stretches of 64 KiB, at even distances over the device or over the data of a file.
    bool blank = false;
    // "ext4", "gpt partition table", "unknown data", "what cannot be read (...)", for messages.
    std::string description;
    std::string partition_type;  // GPT type UUID of the partition in lower case, or ""
};
// A device on which a read fails is not blank.
Result<Content> probe_content(Device& device);

}  // namespace regild::block
