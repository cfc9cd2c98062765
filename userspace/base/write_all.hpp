// SPDX-License-Identifier: GPL-2.0-or-later
// Writing all of something to a file, in as many calls as it takes.
#pragma once

#include <sys/types.h>

#include "base/bytes.hpp"

namespace regild {

// At `offset` of the open file `fd`. False, with errno set, when a call fails.
bool write_all(int fd, ConstByteSpan bytes, off_t offset);

}  // namespace regild
