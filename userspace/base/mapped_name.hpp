// SPDX-License-Identifier: GPL-2.0-or-later
// Names of mapped devices: one rule for the configuration, the command line and device-mapper.
#pragma once

#include <string_view>

namespace regild {

// 1 to 127 of the characters A-Z a-z 0-9 # + . _ -, so that libdevmapper and udev leave the name as it is;
// not "control", "." or "..", which stand for something else in /dev/mapper.
bool is_valid_mapped_name(std::string_view name);
// Of the UUIDs of our mapped devices; the udev rules know them by it too.
inline constexpr const char* mapped_uuid_prefix = "REGILD-";

}  // namespace regild
