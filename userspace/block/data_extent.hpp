// SPDX-License-Identifier: GPL-2.0-or-later
// Where a file has data and where it has holes.
#pragma once

#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::block {

struct DataExtent {
    Bytes start;
    Bytes end;
};
// The first stretch of data at or behind `offset` of the file or device `fd`, which is `size` long: {size,
// size} where only a hole is left. Block devices and some file systems know no holes: all is data there.
Result<DataExtent> next_data(int fd, Bytes offset, Bytes size);

}  // namespace regild::block
