// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/holders.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>
#include <string_view>

#include "dm/target.hpp"
#include "dm/task.hpp"

namespace regild::dm {
namespace {

// The one device that lies on the block device at `path`.
std::optional<std::string> only_holder(const std::string& path) {
    const Result<std::string> directory = device_directory(path);
    if (!directory) return std::nullopt;
    std::optional<std::string> holder = other_holder(*directory, "");
    if (!holder || other_holder(*directory, *holder)) return std::nullopt;
    return holder;
}

// Of a mapped device of one target that has its table and no other one waiting.
bool is_read_only(int major_number, int minor_number) {
    Task look(DM_DEVICE_STATUS, "");
    look.require(look.get() != nullptr ? dm_task_set_major(look.get(), major_number) : 0);
    look.require(look.get() != nullptr ? dm_task_set_minor(look.get(), minor_number) : 0);
    dm_info info{};
    if (!look.run() || dm_task_get_info(look.get(), &info) == 0) return false;
    if (info.exists == 0 || info.live_table == 0 || info.inactive_table != 0) return false;
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    char* type = nullptr;
    char* status = nullptr;
    const void* const more = dm_get_next_target(look.get(), nullptr, &start, &length, &type, &status);
    return more == nullptr && type != nullptr && status != nullptr && std::string_view(type) == target_type &&
           std::string_view(status).ends_with(" ro");
}

}  // namespace

Result<std::string> device_directory(const std::string& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return errno_error("cannot look at " + path);
    return "/sys/dev/block/" + std::to_string(major(status.st_rdev)) + ":" +
           std::to_string(minor(status.st_rdev));
}

std::optional<std::string> other_holder(const std::string& device_directory, const std::string& own) {
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(device_directory + "/holders", error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        std::string name = entry->path().filename();
        if (name != own) return name;
    }
    // What cannot be looked at may hide somebody.
    if (error) return "somebody unknown (" + device_directory + "/holders: " + error.message() + ")";
    return std::nullopt;
}

bool is_mapped_read_only(const std::string& data_path, const std::string& log_path) {
    const std::optional<std::string> holder = only_holder(data_path);
    if (!holder || only_holder(log_path) != holder) return false;
    int major_number = 0;
    int minor_number = 0;
    char colon = 0;
    std::ifstream device("/sys/block/" + *holder + "/dev");
    if (!(device >> major_number >> colon >> minor_number) || colon != ':') return false;
    return is_read_only(major_number, minor_number);
}

}  // namespace regild::dm
