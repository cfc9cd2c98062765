// SPDX-License-Identifier: GPL-2.0-or-later
// regild map, unmap: a golden volume as a device that marks what is written.
#include "base/mapped_name.hpp"
#include "cli/command.hpp"
#include "dm/mapping.hpp"
#include "engine/volume.hpp"

namespace regild::cli {
namespace {

Result<void> check_name(const std::string& name) {
    if (is_valid_mapped_name(name)) return {};
    return Error{Failure::usage, "'" + name +
                                     "' cannot be the name of a mapped device: use letters, digits and "
                                     "#+._-, at most 127"};
}

Result<ExitCode> run_map(const Environment& environment, const Arguments& arguments) {
    const std::string& name = arguments.operands()[0];
    if (Result<void> valid = check_name(name); !valid) return valid.error();

    // The look and the hold: from there on nobody else can take the devices (invariant 5).
    std::unique_ptr<dm::Mapping> mapping;
    engine::VolumePaths held_paths;
    dm::WritelogTable table;
    const std::unique_ptr<dm::Mapper> mapper = dm::make_device_mapper();
    {
        Result<engine::Volume> seen =
            engine::Volume::open({arguments.value("data"), arguments.value("log")}, block::Access::read);
        if (!seen) return seen.error();
        if (Result<void> mappable = seen->check_mappable(); !mappable) return mappable.error();
        for (const block::Device* device : {&seen->data(), &seen->log_device()}) {
            if (!device->is_block_device())
                return Error{Failure::usage, device->name() + " is not a block device and cannot be mapped"};
        }
        const format::LogGeometry& geometry = seen->log().geometry();
        held_paths = {seen->data().name(), seen->log_device().name()};
        table = {.length = to_sectors(geometry.data_size()),
                 .data_path = held_paths.data,
                 .log_path = held_paths.log,
                 .block_size = geometry.block_size().sectors(),
                 .allow_discards = arguments.has("allow-discards")};
        Result<std::unique_ptr<dm::Mapping>> held = mapper->hold(name, dm::uuid_prefix + name, table);
        if (!held) return held.error();
        mapping = *std::move(held);
    }

    // Whoever had the devices until the hold may have changed the log.
    Result<engine::Volume> volume = engine::Volume::open(held_paths, block::Access::held);
    if (!volume) return volume.error();
    if (Result<void> mappable = volume->check_mappable(); !mappable) return mappable.error();
    const format::LogGeometry& geometry = volume->log().geometry();
    if (to_sectors(geometry.data_size()) != table.length ||
        geometry.block_size().sectors() != table.block_size)
        return Error{Failure::refused,
                     "the log on " + held_paths.log + " was just formatted anew: try again"};
    if (Result<void> repaired = volume->log().repair(); !repaired) return repaired.error();
    if (Result<void> active = mapping->activate(); !active) return active.error();
    environment.out << mapping->path() << "\n";
    return ExitCode::clean;
}

Result<ExitCode> run_unmap(const Environment&, const Arguments& arguments) {
    const std::string& name = arguments.operands()[0];
    if (Result<void> valid = check_name(name); !valid) return valid.error();
    if (Result<void> removed = dm::make_device_mapper()->remove(name); !removed) return removed.error();
    return ExitCode::clean;
}

}  // namespace

const Command map_command{
    .name = "map",
    .summary = "map a golden volume as /dev/mapper/NAME",
    .description =
        "Maps a volume through the writelog target, which marks each block before it is\n"
        "written for the first time. Refused while the volume is half restored.",
    .options = {{"data", "DEV", "the disk: a path or PARTLABEL=, PARTUUID=, LABEL=, UUID=", true},
                {"log", "DEV", "its write log, likewise", true},
                {"allow-discards", nullptr, "pass discards to the disk; they mark blocks"}},
    .operands = "NAME",
    .many_operands = false,
    .run = run_map};

const Command unmap_command{
    .name = "unmap",
    .summary = "remove a mapped volume",
    .description = "Removes /dev/mapper/NAME, which nobody may have open any more. Marks stay.",
    .options = {},
    .operands = "NAME",
    .many_operands = false,
    .run = run_unmap};

}  // namespace regild::cli
