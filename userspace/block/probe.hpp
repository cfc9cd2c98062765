// SPDX-License-Identifier: GPL-2.0-or-later
// One look at a device with libblkid's low-level probing: no cache, no udev.
#pragma once

#include <blkid/blkid.h>

#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace regild::block {

class Probe {
  public:
    // Opens the device once more: libblkid's reads are not aligned, O_DIRECT would fail them.
    static Result<Probe> open(const std::string& path);

    // What the partition table says about this partition: PART_ENTRY_UUID, PART_ENTRY_NAME or
    // PART_ENTRY_TYPE; "" when it is not a partition.
    std::string partition_entry(const char* name) const;
    // UUID or LABEL of what lies on it; "" when there is none or it is ambiguous.
    std::string superblock_value(const char* name) const;
    // All that libblkid knows, such as "ext4" and "gpt partition table"; file systems, swap, RAID members,
    // also ones whose checksum is bad.
    Result<std::vector<std::string>> signatures() const;

  private:
    struct Free {
        void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
    };
    std::string path_;
    Fd fd_;
    std::unique_ptr<blkid_struct_probe, Free> probe_;
};

}  // namespace regild::block
