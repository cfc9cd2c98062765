// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/data_extent.hpp"

#include <unistd.h>

#include <algorithm>

namespace regild::block {

Result<DataExtent> next_data(int fd, Bytes offset, Bytes size) {
    const off_t start = lseek(fd, static_cast<off_t>(offset.count()), SEEK_DATA);
    if (start < 0 && errno == ENXIO) return DataExtent{size, size};
    if (start < 0 && (errno == EINVAL || errno == EOPNOTSUPP)) return DataExtent{offset, size};
    const off_t end = start < 0 ? start : lseek(fd, start, SEEK_HOLE);
    if (end < 0) return errno_error("cannot look for holes");
    const auto within = [size](off_t at) { return std::min(Bytes(static_cast<std::uint64_t>(at)), size); };
    return DataExtent{within(start), within(end)};
}

}  // namespace regild::block
