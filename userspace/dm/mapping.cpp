// SPDX-License-Identifier: GPL-2.0-or-later
#include "dm/mapping.hpp"

#include <string_view>

#include "base/mapped_name.hpp"
#include "dm/hold_lock.hpp"
#include "dm/holders.hpp"
#include "dm/task.hpp"

namespace regild::dm {
namespace {

constexpr std::size_t max_uuid_length = 128;  // DM_UUID_LEN less the NUL
constexpr const char* lock_folder = "/run/regild";

// Device-mapper splits a table line at spaces and takes a backslash before one as part of the word.
std::string escape(const std::string& path) {
    std::string word;
    for (const char c : path) {
        if (std::string_view(" \t\n\\").find(c) != std::string_view::npos) word += '\\';
        word += c;
    }
    return word;
}

// Whether the kernel knows the target; asked after a table was refused, when the kernel has tried to load it.
bool target_is_known() {
    Task task(DM_DEVICE_LIST_VERSIONS, "");
    if (!task.run()) return true;
    const dm_versions* target = dm_task_get_versions(task.get());
    while (target != nullptr) {
        if (target->name == std::string_view(target_type)) return true;
        if (target->next == 0) break;
        target = reinterpret_cast<const dm_versions*>(reinterpret_cast<const char*>(target) + target->next);
    }
    return false;
}

Result<void> remove_device(const std::string& name) {
    Task task(DM_DEVICE_REMOVE, name);
    // udev may just be looking at the device: libdevmapper tries again for 5 s.
    task.require(task.get() != nullptr ? dm_task_retry_remove(task.get()) : 0);
    if (task.run_with_udev()) return {};
    return task.error("cannot remove the mapped device " + name);
}

// All mapped devices share one claim on what lies below them, so the kernel lets a second one in. Whoever was
// there before us has a link in `holders` by now.
Result<void> check_alone(const std::string& own, const WritelogTable& table) {
    for (const std::string& path : {table.data_path, table.log_path}) {
        const Result<std::string> directory = device_directory(path);
        if (!directory) return directory.error();
        const std::optional<std::string> other = other_holder(*directory, own);
        if (other)
            return Error{Failure::refused,
                         path + " is in use by " + *other + ": unmap that first (dmsetup ls)"};
    }
    return {};
}

// Makes the device, without a table.
Result<void> create_device(const std::string& name, const std::string& uuid) {
    Task create(DM_DEVICE_CREATE, name);
    create.require(create.get() != nullptr ? dm_task_set_uuid(create.get(), uuid.c_str()) : 0);
    if (create.run()) return {};
    if (create.error_number() == EBUSY)
        return Error{Failure::refused, "a mapped device " + name + " is there already: unmap it first"};
    return create.error("cannot create the mapped device " + name);
}

// A device of ours that never went live and that nobody has open. Under the hold's lock nobody is at work on
// it, so that a tool that was killed has left it behind.
bool is_left_behind(const std::string& name) {
    Task look(DM_DEVICE_INFO, name);
    dm_info info{};
    if (!look.run() || dm_task_get_info(look.get(), &info) == 0 || info.exists == 0) return false;
    const char* const uuid = dm_task_get_uuid(look.get());
    return uuid != nullptr && std::string_view(uuid).starts_with(mapped_uuid_prefix) &&
           info.live_table == 0 && info.open_count == 0;
}

class DeviceMapping final : public Mapping {
  public:
    DeviceMapping(std::string name, WritelogTable table, Fd lock)
        : name_(std::move(name)), table_(std::move(table)), lock_(std::move(lock)) {}
    DeviceMapping(const DeviceMapping&) = delete;
    DeviceMapping& operator=(const DeviceMapping&) = delete;
    // Nobody can have opened what was never active; if the kernel still says no, the hold stays: the safe
    // side.
    ~DeviceMapping() override {
        if (!active_) (void)remove_device(name_);
    }

    // Loads the table, and looks who else has one on the same devices.
    Result<void> load() {
        Task load(DM_DEVICE_RELOAD, name_);
        load.require(load.get() != nullptr ? dm_task_add_target(load.get(), 0, table_.length.count(),
                                                                target_type, table_.parameters().c_str())
                                           : 0);
        if (table_.read_only) load.require(load.get() != nullptr ? dm_task_set_ro(load.get()) : 0);
        if (load.run()) {
            dm_info own{};
            if (dm_task_get_info(load.get(), &own) == 0 || own.exists == 0)
                return Error{Failure::failed, "device-mapper does not say what became of " + name_};
            kernel_name_ = "dm-" + std::to_string(own.minor);
            return check_alone(kernel_name_, table_);
        }
        const Error error = load.error("cannot load the table of " + name_ + " (" + table_.data_path +
                                       " with its log " + table_.log_path + ")");
        if (error.kind == Failure::refused)
            return Error{Failure::refused, error.message + ": one of them is mounted or mapped"};
        if (!target_is_known())
            return Error{Failure::failed, std::string("the kernel has no device-mapper target \"") +
                                              target_type +
                                              "\": load the module dm-writelog (modprobe dm-writelog)"};
        return Error{Failure::failed, error.message + "; the kernel's log says more, see dmesg"};
    }

    Result<void> activate() override {
        // Once more: the kernel let others in all the while (invariant 5).
        if (Result<void> alone = check_alone(kernel_name_, table_); !alone) return alone;
        Task task(DM_DEVICE_RESUME, name_);
        if (!task.run_with_udev())
            return task.error("cannot activate " + path() +
                              " (the kernel's log, see dmesg, says what is wrong with the write log)");
        active_ = true;
        return {};
    }

    std::string path() const override { return std::string(dm_dir()) + "/" + name_; }

  private:
    std::string name_;
    WritelogTable table_;
    Fd lock_;
    std::string kernel_name_;
    bool active_ = false;
};

class DeviceMapper final : public Mapper {
  public:
    Result<std::unique_ptr<Mapping>> hold(const std::string& name, const std::string& uuid,
                                          const WritelogTable& table) override {
        if (!is_valid_mapped_name(name)) return bad_name(name);
        if (!uuid.starts_with(mapped_uuid_prefix) || uuid.size() > max_uuid_length)
            return Error{Failure::usage, "'" + uuid +
                                             "' cannot be the UUID of a mapped device: it must begin with " +
                                             mapped_uuid_prefix + " and have at most " +
                                             std::to_string(max_uuid_length) + " characters"};

        Result<Fd> lock = lock_hold(lock_folder, name);
        if (!lock) return lock.error();
        Result<void> created = create_device(name, uuid);
        if (!created && created.error().kind == Failure::refused && is_left_behind(name)) {
            if (Result<void> removed = remove_device(name); !removed) return removed.error();
            created = create_device(name, uuid);
        }
        if (!created) return created.error();
        // From here on this removes the device again on every way out but success.
        auto mapping = std::make_unique<DeviceMapping>(name, table, *std::move(lock));
        if (Result<void> loaded = mapping->load(); !loaded) return loaded.error();
        return std::unique_ptr<Mapping>(std::move(mapping));
    }

    Result<void> remove(const std::string& name) override {
        if (!is_valid_mapped_name(name)) return bad_name(name);
        Task look(DM_DEVICE_INFO, name);
        dm_info info{};
        if (!look.run() || dm_task_get_info(look.get(), &info) == 0)
            return look.error("cannot look at the mapped device " + name);
        if (info.exists == 0) return Error{Failure::refused, "there is no mapped device " + name};
        const char* const uuid = dm_task_get_uuid(look.get());
        if (uuid == nullptr || !std::string_view(uuid).starts_with(mapped_uuid_prefix))
            return Error{Failure::refused,
                         "the mapped device " + name + " was not made by regild: left alone"};

        Result<void> removed = remove_device(name);
        if (!removed && removed.error().kind == Failure::refused)
            return Error{Failure::refused, "the mapped device " + name + " is in use: unmount it first"};
        return removed;
    }

  private:
    static Error bad_name(const std::string& name) {
        return {Failure::usage, "'" + name + "' cannot be the name of a mapped device"};
    }
};

}  // namespace

std::string WritelogTable::parameters() const {
    return escape(data_path) + " 0 " + escape(log_path) + " 0 " + std::to_string(block_size.count()) +
           (allow_discards ? " 1 allow_discards" : "");
}

std::unique_ptr<Mapper> make_device_mapper() {
    return std::make_unique<DeviceMapper>();
}

}  // namespace regild::dm
