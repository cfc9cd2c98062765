// SPDX-License-Identifier: GPL-2.0-or-later
// Text of strangers (servers, disks, documents, arguments) as it may be shown and logged.
#pragma once

#include <string>
#include <string_view>

namespace regild {

// `text` with a '?' for each byte of a control character (C1 and DEL too) or of no valid UTF-8: neither a
// terminal nor the kernel's log may take orders from strangers.
std::string printable(std::string_view text);
// Valid UTF-8 without control characters.
bool is_printable(std::string_view text);

}  // namespace regild
