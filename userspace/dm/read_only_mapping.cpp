// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/read_only_mapping.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <string_view>

#include "dm/holders.hpp"
#include "dm/task.hpp"

namespace regild::dm {
namespace {

// The one device that lies on the block device at `path`.
Result<std::string> only_holder(const std::string& path) {
    const Result<std::string> directory = device_directory(path);
    if (!directory) return directory.error();
    Result<std::vector<std::string>> all = holders(*directory);
    if (!all) return all.error();
    if (all->empty()) return Error{Failure::refused, path + " is not mapped"};
    if (all->size() > 1)
        return Error{Failure::refused, path + " is in use by both " + (*all)[0] + " and " + (*all)[1]};
    return std::move(all->front());
}

// Of a mapped device of one target that has its table and no other one waiting.
Result<void> check_table(int fd, const std::string& name) {
    struct stat device {};
    if (fstat(fd, &device) != 0) return errno_error("cannot look at " + name).as(Failure::refused);
    Task look(DM_DEVICE_STATUS, "");
    look.require(
        look.get() != nullptr ? dm_task_set_major(look.get(), static_cast<int>(major(device.st_rdev))) : 0);
    look.require(
        look.get() != nullptr ? dm_task_set_minor(look.get(), static_cast<int>(minor(device.st_rdev))) : 0);
    dm_info info{};
    if (!look.run() || dm_task_get_info(look.get(), &info) == 0)
        return look.error("cannot look at the mapped device " + name).as(Failure::refused);
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    char* type = nullptr;
    char* status = nullptr;
    const void* const more = dm_get_next_target(look.get(), nullptr, &start, &length, &type, &status);
    if (info.live_table == 0 || more != nullptr || type == nullptr || status == nullptr ||
        std::string_view(type) != target_type)
        return Error{Failure::refused, name + " is no " + target_type + " mapping"};
    if (!std::string_view(status).ends_with(" ro"))
        return Error{Failure::refused, "it is mapped for writing as " + name +
                                           ": unmap it, or map it by 'regild map --read-only'"};
    if (info.inactive_table != 0)
        return Error{Failure::refused, "another table waits to replace that of " + name};
    return {};
}

}  // namespace

Result<ReadOnlyMapping> ReadOnlyMapping::open(const std::string& data_path, const std::string& log_path) {
    ReadOnlyMapping mapping;
    mapping.data_path_ = data_path;
    mapping.log_path_ = log_path;
    Result<std::string> name = only_holder(data_path);
    if (!name) return name.error();
    mapping.name_ = *std::move(name);
    const std::string device = "/dev/" + mapping.name_;
    mapping.fd_ = Fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (!mapping.fd_) return errno_error("cannot open " + device).as(Failure::refused);
    if (Result<void> right = mapping.check(); !right) return right.error();
    return mapping;
}

Result<void> ReadOnlyMapping::check() const {
    for (const std::string& path : {data_path_, log_path_}) {
        const Result<std::string> name = only_holder(path);
        if (!name) return name.error();
        if (*name != name_) return Error{Failure::refused, path + " is in use by " + *name};
    }
    return check_table(fd_.get(), name_);
}

}  // namespace regild::dm
