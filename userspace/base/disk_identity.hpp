// SPDX-License-Identifier: GPL-2.0-or-later
// What tells one disk from another: a log is bound to the disk whose identity its image record holds.
#pragma once

#include <string>

#include "base/units.hpp"

namespace regild {

// Fields that do not exist are empty or zero.
struct DiskIdentity {
    std::string partuuid;
    // Of the whole disk: sysfs wwid, else the serial number, else the UUID of a mapped device or an array; of
    // a plain file inode number and time of birth.
    std::string wwid;
    Sectors start;  // of the partition on its disk
    Sectors size;   // of the device or file
    bool operator==(const DiskIdentity&) const = default;
    // Whether it tells the disk from any other of its size: a log that rests on less is not believed.
    bool is_proof() const { return !partuuid.empty() || !wwid.empty(); }
};

}  // namespace regild
