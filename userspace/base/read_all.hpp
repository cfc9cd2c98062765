// SPDX-License-Identifier: GPL-2.0-or-later
// Reading all of a range of a file, in as many calls as it takes.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/bytes.hpp"

namespace regild {

// How many bytes there are at `offset` of the open file `fd`, as many as `into` has room for. Nothing, with
// errno set, when a call fails.
std::optional<std::size_t> read_all(int fd, ByteSpan into, off_t offset);

}  // namespace regild
