// SPDX-License-Identifier: GPL-2.0-or-later
// regild publish: an image file into a store.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/command.hpp"
#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/volume_report.hpp"
#include "cli/zstd_level.hpp"
#include "publish/channel.hpp"
#include "publish/delta.hpp"
#include "publish/publish.hpp"

namespace regild::cli {
namespace {

constexpr const char* default_block_size = "64K";

Error interrupted() {
    return {Failure::interrupted, "interrupted: nothing was published"};
}

void print_json(std::ostream& out, const publish::PublishReport& report) {
    using nlohmann::ordered_json;
    const format::Manifest& manifest = report.manifest;
    ordered_json json;
    json["image"] = manifest.image;
    json["version"] = manifest.version;
    json["size"] = manifest.size.count();
    json["block_size"] = manifest.block_size.bytes().count();
    json["blocks"] = manifest.blocks().count();
    json["zero_blocks"] = report.zero_blocks.count();
    json["compressed_bytes"] = report.compressed.count();
    json["file_system"] = nullptr;
    if (const auto& file_system = report.file_system)
        json["file_system"] = {{"free_bytes", file_system->free.count()},
                               {"free_not_zero_bytes", file_system->free_not_zero.count()},
                               {"free_fetch_bytes", file_system->free_frames.count()},
                               {"journal_bytes", file_system->journal.count()},
                               {"journal_not_zero_bytes", file_system->journal_not_zero.count()},
                               {"journal_fetch_bytes", file_system->journal_frames.count()},
                               {"unfinished_table_bytes", file_system->unfinished_tables.count()},
                               {"needs_recovery", file_system->needs_recovery}};
    json["advice"] = ordered_json::array();
    for (const publish::Advice& advice : report.advice)
        json["advice"].push_back({{"why", advice.why}, {"command", advice.command}});
    json["difference"] = nullptr;
    if (const auto& difference = report.difference) {
        json["difference"] = {{"from_version", difference->from_version},
                              {"differing_blocks", difference->differing.count()},
                              {"moved_percent", nullptr}};
        if (difference->moved_percent) json["difference"]["moved_percent"] = *difference->moved_percent;
    }
    json["log_bytes"] = manifest.log_geometry().log_length().count();
    json["root_hash"] = to_hex(manifest.root_hash);
    json["manifest"] = report.manifest_path.string();
    if (!report.channel_path.empty()) json["channel"] = report.channel_path.string();
    out << json_text(json);
}

void print_file_system(std::ostream& out, const publish::FileSystemReport& report) {
    out << "free space " << format_size(report.free) << ", of which " << format_size(report.free_not_zero)
        << " are not zero\n";
    if (report.journal > Bytes(0))
        out << "journal    " << format_size(report.journal) << ", of which "
            << format_size(report.journal_not_zero) << " are not zero\n";
    out << "a restore  fetches at most " << format_size(report.journal_frames) << " for the journal and "
        << format_size(report.free_frames) << " for free space, and what else was written\n";
}

void print_report(std::ostream& out, const publish::PublishReport& report) {
    const format::Manifest& manifest = report.manifest;
    const std::uint64_t blocks = manifest.blocks().count();
    const std::uint64_t zero_percent = report.zero_blocks.count() * 100 / blocks;
    const Bytes data = manifest.block_size.bytes_of(manifest.blocks() - report.zero_blocks);
    out << "image      " << manifest.image << " version " << manifest.version << "\n"
        << "size       " << format_size(manifest.size) << ", " << blocks << " blocks of "
        << format_size(manifest.block_size.bytes()) << "\n"
        << "zero       " << report.zero_blocks.count() << " blocks (" << zero_percent << " %)\n"
        << "data       " << format_size(data) << ", compressed to " << format_size(report.compressed) << "\n";
    if (report.file_system) print_file_system(out, *report.file_system);
    if (report.difference)
        out << "differ     " << blocks_text(report.difference->differing, manifest.block_size)
            << " from version " << report.difference->from_version << "\n";
    out << "log        needs " << format_size(manifest.log_geometry().log_length()) << " on a kiosk\n"
        << "root hash  " << to_hex(manifest.root_hash) << "\n"
        << "manifest   " << printable(report.manifest_path.string()) << "\n";
    if (!report.channel_path.empty()) out << "channel    " << printable(report.channel_path.string()) << "\n";
    if (report.advice.empty()) return;
    out << "\nRestores would fetch less of a version that is made after these commands:\n";
    for (const publish::Advice& advice : report.advice)
        out << "  " << advice.why << ":\n      " << printable(advice.command) << "\n";
}

void print_delta(std::ostream& out, bool as_json, const publish::DeltaReport& report) {
    const format::Manifest& manifest = report.manifest;
    if (as_json) {
        nlohmann::ordered_json json;
        json["image"] = manifest.image;
        json["version"] = manifest.version;
        json["base_version"] = report.base_version;
        json["size"] = manifest.size.count();
        json["block_size"] = manifest.block_size.bytes().count();
        json["blocks"] = manifest.blocks().count();
        json["changed_blocks"] = report.changed.count();
        json["zero_blocks"] = report.zero_blocks.count();
        json["compressed_bytes"] = report.compressed.count();
        json["root_hash"] = to_hex(manifest.root_hash);
        json["manifest"] = report.manifest_path.string();
        if (!report.channel_path.empty()) json["channel"] = report.channel_path.string();
        out << json_text(json);
        return;
    }
    out << "image      " << manifest.image << " version " << manifest.version << ", from version "
        << report.base_version << "\n"
        << "changed    " << blocks_text(report.changed, manifest.block_size) << " of "
        << manifest.blocks().count() << "\n"
        << "data       compressed to " << format_size(report.compressed) << "\n"
        << "root hash  " << to_hex(manifest.root_hash) << "\n"
        << "manifest   " << printable(report.manifest_path.string()) << "\n";
    if (!report.channel_path.empty()) out << "channel    " << printable(report.channel_path.string()) << "\n";
}

Result<ExitCode> run_publish_delta(const Environment& environment, const Arguments& arguments) {
    for (const char* const option : {"image", "version", "block-size", "raw"})
        if (arguments.has(option))
            return Error{Failure::usage, "--" + std::string(option) + " does not go with --delta"};
    const Result<int> level = zstd_level_of(arguments);
    if (!level) return level.error();
    publish::DeltaRequest request{.delta = arguments.operands()[0],
                                  .store = arguments.value("store"),
                                  .channel = {},
                                  .zstd_level = *level};
    if (arguments.has("channel")) request.channel = arguments.value("channel");
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<publish::DeltaReport> report = publish::publish_delta(request, *observer, environment.stop);
    if (!report && report.error().kind == Failure::interrupted) return interrupted();
    if (!report) return report.error();
    print_delta(environment.out, arguments.has("json"), *report);
    return ExitCode::clean;
}

Result<ExitCode> run_publish(const Environment& environment, const Arguments& arguments) {
    if (arguments.has("delta")) return run_publish_delta(environment, arguments);
    for (const auto& [option, value] : {std::pair("image", "NAME"), std::pair("version", "N")})
        if (!arguments.has(option))
            return Error{Failure::usage, std::string("publish: --") + option + " " + value +
                                             " is missing; see 'regild publish --help'"};
    const Result<std::uint64_t> version = parse_number("--version", arguments.value("version"));
    if (!version) return version.error();
    const std::string block_size_text =
        arguments.has("block-size") ? arguments.value("block-size") : default_block_size;
    const Result<Bytes> block_bytes = parse_size(block_size_text);
    if (!block_bytes) return Error{Failure::usage, block_bytes.error().message}.context("--block-size");
    const Result<BlockSize> block_size = BlockSize::from_bytes(block_bytes->count());
    if (!block_size) return Error{Failure::usage, block_size.error().message}.context("--block-size");

    publish::PublishRequest request{.image_file = arguments.operands()[0],
                                    .store = arguments.value("store"),
                                    .image = arguments.value("image"),
                                    .version = *version,
                                    .block_size = *block_size,
                                    .channel = {}};
    if (arguments.has("channel")) request.channel = arguments.value("channel");
    const Result<int> level = zstd_level_of(arguments);
    if (!level) return level.error();
    request.zstd_level = *level;
    request.raw = arguments.has("raw");
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<publish::PublishReport> report = publish::publish(request, *observer, environment.stop);
    if (!report && report.error().kind == Failure::interrupted) return interrupted();
    if (!report) return report.error();
    if (arguments.has("json"))
        print_json(environment.out, *report);
    else
        print_report(environment.out, *report);
    return ExitCode::clean;
}

Result<ExitCode> run_promote(const Environment& environment, const Arguments& arguments) {
    const Result<std::uint64_t> version = parse_number("--version", arguments.value("version"));
    if (!version) return version.error();
    publish::Rollout rollout;
    if (arguments.has("percent")) {
        const Result<std::uint64_t> percent = parse_number("--percent", arguments.value("percent"));
        if (!percent) return percent.error();
        rollout.percent = static_cast<unsigned>(std::min<std::uint64_t>(*percent, 1000));
    }
    if (arguments.has("hold-back")) {
        std::istringstream list(arguments.value("hold-back"));
        for (std::string tag; std::getline(list, tag, ',');)
            rollout.hold_back.push_back(tag);
    }
    const Result<publish::NextChannel> now = publish::promote({.store = arguments.value("store"),
                                                               .image = arguments.value("image"),
                                                               .version = *version,
                                                               .channel = arguments.operands()[0],
                                                               .rollout = rollout});
    if (!now) return now.error();
    environment.out << printable(now->path.string()) << " names version " << now->channel.version
                    << ", serial number " << now->channel.serial;
    if (now->channel.percent != 100)
        environment.out << ", for " << now->channel.percent << " % of the machines";
    const char* separator = ", not for those with the tag ";
    for (const std::string& tag : now->channel.hold_back)
        environment.out << std::exchange(separator, " or ") << printable(tag);
    environment.out << "\n";
    return ExitCode::clean;
}

}  // namespace

const Command promote_command{
    .name = "promote",
    .summary = "point a channel at a version that is published already",
    .description =
        "Writes the channel anew, with the next serial number; a signature that it had\n"
        "does not fit any more. A channel never goes back to an earlier version. At the\n"
        "same version it is issued anew, for another share, or to stay younger than the\n"
        "max_age of the machines.",
    .options = {{"store", "DIR", "folder that a web server serves", Need::here},
                {"image", "NAME", "name of the image", Need::here},
                {"version", "N", "number of the version", Need::here},
                {"percent", "N", "which share of the machines is to take it, 1 to 100 (default 100)"},
                {"hold-back", "TAG,...", "not for machines with one of these tags"}},
    .operands = "CHANNEL",
    .many_operands = false,
    .run = run_promote};

const Command publish_command{
    .name = "publish",
    .summary = "make an image file a version in a store",
    .description =
        "Reads a disk image (a file or an unmounted block device) and writes DIR/NAME/N/\n"
        "with its manifest, its data and its hash tree. A version is never overwritten.",
    .options = {{"store", "DIR", "folder that a web server serves; made if it is not there", Need::here},
                {"image", "NAME", "name of the image: small letters, digits and ._-"},
                {"version", "N", "number of this version, from 1"},
                {"delta", nullptr, "IMAGE is what 'regild capture' wrote; it says image and version"},
                {"block-size", "SIZE", "what is marked and restored as one, 4K to 512K (default 64K)"},
                zstd_level_option,
                {"raw", nullptr, "write image.raw as well, for other tools"},
                {"channel", "CHANNEL", "point this channel at the version (default: none)"},
                json_option},
    .operands = "IMAGE",
    .many_operands = false,
    .run = run_publish};

}  // namespace regild::cli
