// SPDX-License-Identifier: GPL-2.0-or-later
// What tells one disk from another: a log is bound to the disk whose identity its image record holds.
#pragma once

#include <string>

#include "base/units.hpp"

namespace regild {

// Fields that do not exist (plain files, disks without a WWID or serial number) are empty or zero.
struct DiskIdentity {
    std::string partuuid;
    std::string wwid;  // of the whole disk: sysfs wwid, else the serial number
    Sectors start;     // of the partition on its disk
    Sectors size;      // of the device or file
    bool operator==(const DiskIdentity&) const = default;
};

}  // namespace regild
