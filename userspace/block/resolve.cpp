// SPDX-License-Identifier: GPL-2.0-or-later
// From a tag such as PARTLABEL=kiosk to a device: every block device is asked, because the links that udev
// makes name only one of two devices with the same tag, and an initramfs may have none.
#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "base/mapped_name.hpp"
#include "block/device.hpp"
#include "block/probe.hpp"

namespace regild::block {
namespace {

namespace fs = std::filesystem;

struct Tag {
    const char* prefix;
    const char* blkid_name;
    bool of_partition;  // from the partition table, else from what lies on the device
    bool any_case;      // UUIDs are written in either
};
constexpr std::array<Tag, 4> tags = {{{"PARTLABEL=", "PART_ENTRY_NAME", true, false},
                                      {"PARTUUID=", "PART_ENTRY_UUID", true, true},
                                      {"UUID=", "UUID", false, true},
                                      {"LABEL=", "LABEL", false, false}}};

std::string first_line(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

// A volume that is mapped carries the tags of its data device: the one below is meant. Drives without a
// medium have no size, and a floppy drive takes seconds to say so.
bool is_candidate(const fs::path& sysfs) {
    return !first_line(sysfs / "dm/uuid").starts_with(mapped_uuid_prefix) &&
           first_line(sysfs / "size") != "0" && !first_line(sysfs / "dev").starts_with("2:");
}

bool has_tag(const std::string& path, const Tag& tag, const std::string& value) {
    const Result<Probe> probe = Probe::open(path);
    if (!probe) return false;
    const std::string found =
        tag.of_partition ? probe->partition_entry(tag.blkid_name) : probe->superblock_value(tag.blkid_name);
    return tag.any_case ? strcasecmp(found.c_str(), value.c_str()) == 0 : found == value;
}

Result<std::string> find_device(const std::string& text, const Tag& tag, const std::string& value) {
    std::vector<std::string> found;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator("/sys/class/block", error)) {
        std::string name = entry.path().filename();
        std::replace(name.begin(), name.end(), '!', '/');  // as sysfs writes cciss/c0d0
        const std::string path = "/dev/" + name;
        if (is_candidate(entry.path()) && has_tag(path, tag, value)) found.push_back(path);
    }
    if (error) return Error{Failure::disk, "cannot list the block devices: " + error.message()};
    if (found.empty()) return Error{Failure::disk, "no device has " + text};
    if (found.size() == 1) return found[0];
    std::sort(found.begin(), found.end());
    return Error{Failure::refused, "more than one device has " + text + ", such as " + found[0] + " and " +
                                       found[1] +
                                       ": name the device by its path or by a tag that only it has"};
}

}  // namespace

Result<std::string> resolve(const std::string& path_or_tag) {
    for (const Tag& tag : tags) {
        if (!path_or_tag.starts_with(tag.prefix)) continue;
        const std::string value = path_or_tag.substr(std::string_view(tag.prefix).size());
        if (value.empty()) return Error{Failure::usage, path_or_tag + " names no device"};
        return find_device(path_or_tag, tag, value);
    }
    struct stat status {};
    if (stat(path_or_tag.c_str(), &status) != 0) return errno_error(path_or_tag).as(Failure::disk);
    return path_or_tag;
}

}  // namespace regild::block
