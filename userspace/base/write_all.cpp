// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/write_all.hpp"

#include <unistd.h>

#include <cerrno>

namespace regild {

bool write_all(int fd, ConstByteSpan bytes, off_t offset) {
    while (!bytes.empty()) {
        const ssize_t n = pwrite(fd, bytes.data(), bytes.size(), offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += n;
    }
    return true;
}

}  // namespace regild
