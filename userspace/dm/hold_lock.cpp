// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/hold_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>

namespace regild::dm {
namespace {

constexpr mode_t only_root = 0600;

}  // namespace

Result<Fd> lock_hold(const std::string& folder, const std::string& name) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return Error{Failure::failed, "cannot create folder " + folder + ": " + error.message()};
    // The file stays: whoever removed it could remove one that the next process has just locked.
    const std::string path = folder + "/" + name + ".hold";
    Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, only_root));
    if (!fd) return errno_error("cannot open " + path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) return errno_error("cannot lock " + path);
    return Error{Failure::refused, "another regild is at work on the mapped device " + name};
}

}  // namespace regild::dm
