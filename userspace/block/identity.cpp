// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/identity.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

#include "block/probe.hpp"

namespace regild::block {
namespace {

namespace fs = std::filesystem;

constexpr Bytes zero_area = MiB(1);

// The first line of a sysfs attribute as it may be stored and shown; "" when there is none.
std::string attribute(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, ' ');
    line.erase(0, line.find_first_not_of(' '));
    line.erase(line.find_last_not_of(' ') + 1);
    return line;
}

Sectors sectors_attribute(const fs::path& file) {
    const std::string text = attribute(file);
    std::uint64_t sectors = 0;
    std::from_chars(text.data(), text.data() + text.size(), sectors);
    return Sectors(sectors);
}

std::string join(const std::vector<std::string>& parts) {
    std::string joined;
    for (const std::string& part : parts)
        joined += (joined.empty() ? "" : " and ") + part;
    return joined;
}

}  // namespace

DiskIdentity identity_from_sysfs(const std::string& device_directory) {
    const fs::path directory(device_directory);
    std::error_code error;
    const bool is_partition = fs::exists(directory / "partition", error);
    // The link in /sys/dev/block leads to .../DISK/PARTITION.
    const fs::path real = fs::canonical(directory, error);
    const fs::path disk = is_partition && !error ? real.parent_path() : directory;

    DiskIdentity identity;
    if (is_partition) identity.start = sectors_attribute(directory / "start");
    identity.size = sectors_attribute(directory / "size");
    for (const char* name : {"wwid", "device/wwid", "device/serial", "serial"}) {
        identity.wwid = attribute(disk / name);
        if (!identity.wwid.empty()) break;
    }
    // Longer than the image record has room for: the end of a WWID tells more than its beginning.
    constexpr std::size_t longest = 127;
    if (identity.wwid.size() > longest) identity.wwid.erase(0, identity.wwid.size() - longest);
    return identity;
}

Result<DiskIdentity> identify(const Device& device) {
    if (!device.is_block_device()) return DiskIdentity{"", "", Sectors(0), to_sectors(device.size())};
    struct stat status {};
    if (fstat(device.fd(), &status) != 0)
        return errno_error("cannot look at " + device.name()).as(Failure::disk);
    const std::string directory = "/sys/dev/block/" + std::to_string(major(status.st_rdev)) + ":" +
                                  std::to_string(minor(status.st_rdev));
    DiskIdentity identity = identity_from_sysfs(directory);
    identity.size = to_sectors(device.size());
    const Result<Probe> probe = Probe::open(device.name());
    if (!probe) return probe.error();
    identity.partuuid = probe->partition_entry("PART_ENTRY_UUID");
    return identity;
}

Result<Content> probe_content(Device& device) {
    const Result<Probe> probe = Probe::open(device.name());
    if (!probe) return probe.error();
    Content content;
    if (device.is_block_device()) content.partition_type = probe->partition_entry("PART_ENTRY_TYPE");
    std::transform(content.partition_type.begin(), content.partition_type.end(),
                   content.partition_type.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });

    const Result<std::vector<std::string>> signatures = probe->signatures();
    if (!signatures) return signatures.error();
    if (!signatures->empty()) {
        content.description = join(*signatures);
        return content;
    }
    AlignedBuffer buffer(std::min(zero_area, device.size()).count());
    if (Result<void> r = device.read(Bytes(0), buffer.span()); !r) return r.error();
    content.blank = all_zero(buffer.span());
    content.description = content.blank ? "nothing" : "unknown data";
    return content;
}

}  // namespace regild::block
