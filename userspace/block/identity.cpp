// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <vector>

#include "block/data_extent.hpp"
#include "block/probe.hpp"

namespace regild::block {
namespace {

namespace fs = std::filesystem;

// Of a device that is looked at for being blank: its ends whole, and samples at even distances in between. 64
// MiB at most are read, ascending: under 10 s on a rotating disk.
constexpr Bytes blank_end = MiB(1);
constexpr Bytes sample_size = KiB(64);
constexpr std::uint64_t max_samples = 1024;
// A file that is cut into more stretches of data is one stretch from there on.
constexpr std::size_t max_extents = 65536;

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

// Where data lies: holes of a file need no look.
Result<std::vector<DataExtent>> data_extents(const Device& device) {
    std::vector<DataExtent> extents;
    for (Bytes at; at < device.size();) {
        const Result<DataExtent> data = next_data(device.fd(), at, device.size());
        if (!data) return data.error().context(device.name());
        if (data->start >= device.size()) break;
        extents.push_back(extents.size() < max_extents ? *data : DataExtent{data->start, device.size()});
        at = extents.back().end;
    }
    return extents;
}

Result<bool> is_zero(Device& device, Bytes offset, Bytes length) {
    AlignedBuffer buffer(length.count());
    if (Result<void> r = device.read(offset, buffer.span()); !r) return r.error();
    return all_zero(buffer.span());
}

// Zero at both ends and wherever a sample of its data was taken; all of it when that is not more than the
// samples.
Result<bool> looks_blank(Device& device) {
    const Bytes size = device.size();
    const Bytes end_size = std::min(blank_end, size);
    for (const Bytes start : {Bytes(0), size - end_size}) {
        Result<bool> zero = is_zero(device, start, end_size);
        if (!zero || !*zero) return zero;
    }
    const Result<std::vector<DataExtent>> extents = data_extents(device);
    if (!extents) return extents.error();
    std::uint64_t samples = 0;  // that would cover all data
    for (const DataExtent& extent : *extents)
        samples += divide_up((extent.end - extent.start).count(), sample_size.count());
    const std::uint64_t every = divide_up(samples, max_samples);
    std::uint64_t number = 0;
    for (const DataExtent& extent : *extents) {
        for (Bytes at(extent.start.count() / sample_size.count() * sample_size.count()); at < extent.end;
             at += sample_size) {
            if (number++ % every != 0) continue;
            Result<bool> zero = is_zero(device, at, std::min(sample_size, size - at));
            if (!zero || !*zero) return zero;
        }
    }
    return true;
}

std::string join(const std::vector<std::string>& parts) {
    std::string joined;
    for (const std::string& part : parts)
        joined += (joined.empty() ? "" : " and ") + part;
    return joined;
}

// A copy of a file is another file, and so is one that was made in its place, perhaps with the same inode
// number.
Result<DiskIdentity> identity_of_file(const Device& device) {
    struct statx status {};
    if (statx(device.fd(), "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0)
        return errno_error("cannot look at " + device.name());
    std::string wwid = "inode " + std::to_string(status.stx_ino);
    if ((status.stx_mask & STATX_BTIME) != 0)
        wwid += " born " + std::to_string(status.stx_btime.tv_sec) + "." +
                std::to_string(status.stx_btime.tv_nsec);
    return DiskIdentity{"", wwid, Sectors(0), to_sectors(device.size())};
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
    for (const char* name : {"wwid", "device/wwid", "device/serial", "serial", "dm/uuid", "md/uuid"}) {
        identity.wwid = attribute(disk / name);
        if (!identity.wwid.empty()) break;
    }
    // Longer than the image record has room for: the end of a WWID tells more than its beginning.
    constexpr std::size_t longest = 127;
    if (identity.wwid.size() > longest) identity.wwid.erase(0, identity.wwid.size() - longest);
    return identity;
}

Result<DiskIdentity> identify(const Device& device) {
    if (!device.is_block_device()) return identity_of_file(device);
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

    // Somebody's data may lie where nothing can be read.
    const auto unreadable = [&content](const Error& error) {
        content.description = "what cannot be read (" + error.message + ")";
        return content;
    };
    const Result<std::vector<std::string>> signatures = probe->signatures();
    if (!signatures) return unreadable(signatures.error());
    if (!signatures->empty()) {
        content.description = join(*signatures);
        return content;
    }
    const Result<bool> blank = looks_blank(device);
    if (!blank) return unreadable(blank.error());
    content.blank = *blank;
    content.description = content.blank ? "nothing" : "unknown data";
    return content;
}

}  // namespace regild::block
