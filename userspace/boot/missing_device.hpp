// SPDX-License-Identifier: GPL-2.0-or-later
// What to tell the owner of a machine on which a device of the configuration does not exist.
#pragma once

#include <string>

namespace regild::boot {

// How a partition gets that label and our type, as a command to type; "" for what is no PARTLABEL=.
// `partition_type`: the GPT type, see writelog_format.h.
std::string label_advice(const std::string& path_or_tag, const std::string& partition_type);

}  // namespace regild::boot
