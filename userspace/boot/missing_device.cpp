// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/missing_device.hpp"

#include <string_view>

namespace regild::boot {

std::string label_advice(const std::string& path_or_tag, const std::string& partition_type) {
    constexpr std::string_view prefix = "PARTLABEL=";
    if (!path_or_tag.starts_with(prefix)) return "";
    const std::string label = path_or_tag.substr(prefix.size());
    return "; for partition N of a disk to become it: sfdisk --part-label /dev/DISK N '" + label +
           "' && sfdisk --part-type /dev/DISK N " + partition_type;
}

}  // namespace regild::boot
