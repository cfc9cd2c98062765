// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/read_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace regild {

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path.string());
    std::string text(limit, '\0');
    std::size_t length = 0;
    while (length < limit) {
        const ssize_t count = read(fd.get(), text.data() + length, limit - length);
        if (count < 0) return errno_error("cannot read " + path.string());
        if (count == 0) break;
        length += static_cast<std::size_t>(count);
    }
    text.resize(length);
    return text;
}

}  // namespace regild
