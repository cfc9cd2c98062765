// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/hold.hpp"

#include "base/mapped_name.hpp"

namespace regild::boot {
namespace {

// Whether what was decided at the first look still stands.
bool is_unchanged(volume::Volume& before, volume::Volume& now) {
    if (!before.usable_log() || !now.usable_log()) return !before.usable_log() && !now.usable_log();
    return before.log().superblock() == now.log().superblock() && before.record() == now.record() &&
           before.log().bitmap().marked() == now.log().bitmap().marked();
}

}  // namespace

Result<HeldVolume> hold(dm::Mapper& mapper, const std::string& name, volume::Volume& seen,
                        const format::LogGeometry& geometry, MapOptions options) {
    const dm::WritelogTable table{.length = to_sectors(geometry.data_size()),
                                  .data_path = seen.data().name(),
                                  .log_path = seen.log_device().name(),
                                  .block_size = geometry.block_size().sectors(),
                                  .allow_discards = options.allow_discards,
                                  .read_only = options.read_only};
    Result<std::unique_ptr<dm::Mapping>> mapping = mapper.hold(name, mapped_uuid_prefix + name, table);
    if (!mapping) return mapping.error();
    Result<volume::Volume> volume =
        volume::Volume::open({table.data_path, table.log_path},
                             options.read_only ? block::Access::read : block::Access::held, seen.trust());
    if (!volume) return volume.error();
    if (!is_unchanged(seen, *volume))
        return Error{Failure::refused,
                     "the log on " + table.log_path + " was changed by somebody else meanwhile; start again"};
    return HeldVolume{*std::move(mapping), *std::move(volume)};
}

Result<void> activate(dm::Mapping& mapping, volume::Volume& volume) {
    if (Result<void> mappable = volume.check_mappable(); !mappable) return mappable;
    return mapping.activate();
}

}  // namespace regild::boot
