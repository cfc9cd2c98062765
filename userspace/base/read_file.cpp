// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/read_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace regild {

namespace {

Result<std::string> read_all(const Fd& fd, const std::filesystem::path& path, std::size_t limit) {
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

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path.string());
    return read_all(fd, path, limit);
}

Result<std::string> read_secret(const std::filesystem::path& path, std::size_t limit) {
    const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path.string()).as(Failure::usage);
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) return errno_error("cannot read " + path.string()).as(Failure::usage);
    if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0)
        return Error{Failure::usage,
                     "every user may read or write " + path.string() + ": chmod o= " + path.string()};
    Result<std::string> text = read_all(fd, path, limit);
    return text ? text : text.error().as(Failure::usage);
}

}  // namespace regild
