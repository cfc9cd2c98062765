// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/read_all.hpp"

#include <unistd.h>

#include <cerrno>

namespace regild {

std::optional<std::size_t> read_all(int fd, ByteSpan into, off_t offset) {
    std::size_t got = 0;
    while (got < into.size()) {
        const ssize_t n = pread(fd, into.data() + got, into.size() - got, offset + static_cast<off_t>(got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return std::nullopt;
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    return got;
}

}  // namespace regild
