// SPDX-License-Identifier: GPL-2.0-or-later
// regild map, unmap: a golden volume as a device that marks what is written.
#include "base/mapped_name.hpp"
#include "boot/hold.hpp"
#include "cli/configuration_file.hpp"

namespace regild::cli {
namespace {

constexpr Option read_only_option{"read-only", nullptr, "nothing can be written to it"};

Result<void> check_name(const std::string& name) {
    if (is_valid_mapped_name(name)) return {};
    return Error{Failure::usage, "'" + name +
                                     "' cannot be the name of a mapped device: use letters, digits and "
                                     "#+._-, at most 127"};
}

Result<ExitCode> run_map(const Environment& environment, const Arguments& arguments) {
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    const std::string& name = arguments.operands().empty() ? configuration->name : arguments.operands()[0];
    if (Result<void> valid = check_name(name); !valid) return valid.error();

    Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    Result<volume::Volume> seen = volume::Volume::open({configuration->data, configuration->log},
                                                       block::Access::read, *std::move(trust));
    if (!seen) return seen.error();
    if (Result<void> mappable = seen->check_mappable(); !mappable) return mappable.error();
    for (const block::Device* device : {&seen->data(), &seen->log_device()}) {
        if (!device->is_block_device())
            return Error{Failure::usage, device->name() + " is not a block device and cannot be mapped"};
    }
    const std::unique_ptr<dm::Mapper> mapper = dm::make_device_mapper();
    const bool read_only = arguments.has(read_only_option.name);
    Result<boot::HeldVolume> held =
        boot::hold(*mapper, name, *seen, seen->log().geometry(),
                   {.allow_discards = configuration->allow_discards, .read_only = read_only});
    if (!held) return held.error();
    if (!read_only)
        if (Result<void> repaired = held->volume.repair(); !repaired) return repaired.error();
    if (Result<void> active = boot::activate(*held->mapping, held->volume); !active) return active.error();
    environment.out << held->mapping->path() << "\n";
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
        "written for the first time. Refused while the volume is half restored. With\n"
        "--config the NAME is the configuration's unless it is given.",
    .options = {config_option, data_option, log_option, keys_option, allow_discards_option, read_only_option},
    .operands = "NAME",
    .operand_need = Need::here_or_in_configuration,
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
