// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/replace_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

#include "base/fd.hpp"
#include "base/write_all.hpp"

namespace regild {

Result<void> sync_folder(const std::filesystem::path& folder) {
    const Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || fsync(fd.get()) != 0) return errno_error("cannot sync folder " + folder.string());
    return {};
}

Result<void> replace_file(const std::filesystem::path& path, std::string_view text, mode_t mode) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    std::string temporary = folder / ("." + path.filename().string() + ".XXXXXX");
    const Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) return errno_error("cannot create a file in " + folder.string());

    Result<void> result;
    if (!write_all(fd.get(), as_bytes(text), 0)) result = errno_error("cannot write");
    if (result && fchmod(fd.get(), mode) != 0) result = errno_error("cannot set the mode");
    if (result && fsync(fd.get()) != 0) result = errno_error("cannot sync");
    if (result && rename(temporary.c_str(), path.c_str()) != 0) result = errno_error("cannot rename");
    if (!result) {
        unlink(temporary.c_str());
        return result.error().context(path.string());
    }
    return sync_folder(folder);
}

}  // namespace regild
