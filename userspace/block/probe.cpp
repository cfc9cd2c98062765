// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/probe.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace regild::block {
namespace {

std::string value_of(blkid_probe probe, const char* name) {
    const char* value = nullptr;
    return blkid_probe_lookup_value(probe, name, &value, nullptr) == 0 && value != nullptr ? value : "";
}

// libblkid sets errno for most of what it returns.
Error libblkid_error(const std::string& path) {
    const std::string what = "libblkid cannot look at " + path;
    return errno != 0 ? errno_error(what).as(Failure::disk) : Error{Failure::disk, what};
}

}  // namespace

Result<Probe> Probe::open(const std::string& path) {
    Probe probe;
    probe.fd_ = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!probe.fd_) return errno_error("cannot open " + path).as(Failure::disk);
    probe.probe_.reset(blkid_new_probe());
    errno = 0;
    if (!probe.probe_ || blkid_probe_set_device(probe.probe_.get(), probe.fd_.get(), 0, 0) != 0)
        return libblkid_error(path);
    probe.path_ = path;
    return probe;
}

std::string Probe::partition_entry(const char* name) const {
    blkid_probe const probe = probe_.get();
    blkid_reset_probe(probe);
    blkid_probe_enable_superblocks(probe, 0);
    blkid_probe_enable_partitions(probe, 1);
    blkid_probe_set_partitions_flags(probe, BLKID_PARTS_ENTRY_DETAILS);
    // The result says whether there is a table in the partition, which is another question.
    (void)blkid_do_safeprobe(probe);
    return value_of(probe, name);
}

std::string Probe::superblock_value(const char* name) const {
    blkid_probe const probe = probe_.get();
    blkid_reset_probe(probe);
    blkid_probe_enable_partitions(probe, 0);
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_TYPE);
    return blkid_do_safeprobe(probe) == 0 ? value_of(probe, name) : "";
}

Result<std::vector<std::string>> Probe::signatures() const {
    blkid_probe const probe = probe_.get();
    blkid_reset_probe(probe);
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_BADCSUM);
    blkid_probe_enable_partitions(probe, 1);
    blkid_probe_set_partitions_flags(probe, 0);

    std::vector<std::string> found;
    int result = 0;
    errno = 0;
    // Each call goes on behind the signature that the last one found.
    while ((result = blkid_do_probe(probe)) == 0) {
        std::string signature = value_of(probe, "TYPE");
        if (const std::string table = value_of(probe, "PTTYPE"); !table.empty())
            signature = table + " partition table";
        if (!signature.empty() && std::find(found.begin(), found.end(), signature) == found.end())
            found.push_back(std::move(signature));
        errno = 0;
    }
    if (result < 0) return libblkid_error(path_);
    return found;
}

}  // namespace regild::block
