// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/holders.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>

namespace regild::dm {

Result<std::string> device_directory(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return errno_error("cannot look at " + path);
    return "/sys/dev/block/" + std::to_string(major(status.st_rdev)) + ":" +
           std::to_string(minor(status.st_rdev));
}

Result<std::vector<std::string>> holders(const std::string& device_directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(device_directory + "/holders", error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
        names.push_back(entry->path().filename());
    if (error) return Error{Failure::failed, device_directory + "/holders: " + error.message()};
    return names;
}

std::optional<std::string> other_holder(const std::string& device_directory, const std::string& own) {
    const Result<std::vector<std::string>> all = holders(device_directory);
    if (!all) return "somebody unknown (" + all.error().message + ")";
    for (const std::string& name : *all)
        if (name != own) return name;
    return std::nullopt;
}

}  // namespace regild::dm
