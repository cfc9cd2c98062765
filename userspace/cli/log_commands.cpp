// SPDX-License-Identifier: GPL-2.0-or-later
// regild status, dirty, mark, mark-good: what needs the log alone.
#include <nlohmann/json.hpp>

#include "block/device.hpp"
#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/volume_report.hpp"
#include "store/source.hpp"
#include "volume/state.hpp"
#include "volume/thaw.hpp"
#include "volume/trial.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

// The log refers to the device.
struct OpenLog {
    std::unique_ptr<block::Device> device;
    log::WriteLog write_log;
    std::string source;  // of the configuration; "" without one
};

Result<OpenLog> open_log(const Arguments& arguments, block::Access access) {
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    const Result<std::string> path = block::resolve(configuration->log);
    if (!path) return path.error();
    Result<std::unique_ptr<block::Device>> device = block::Device::open(*path, access);
    if (!device) return device.error();
    Result<std::optional<log::WriteLog>> log = log::WriteLog::open(**device);
    if (!log) return log.error();
    if (!*log) return Error{Failure::disk, "there is no log on " + *path};
    return OpenLog{*std::move(device), **std::move(log), configuration->source};
}

// Where the next restore would fetch from: beside the configuration's source, for the version that the volume
// holds. "" where that cannot be told.
std::string data_url(const OpenLog& log) {
    const std::optional<format::ImageRecord>& record = log.write_log.record();
    const Result<net::Url> url = net::parse_document_url(log.source);
    if (!url || !record) return "";
    const Result<store::Source> source = store::installed_source(*url, record->manifest);
    return source ? source->data_url.shown() : "";
}

ordered_json text_or_null(const std::string& text) {
    return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

// Of a version before or a staged one; 0: there is none, or it is not one.
std::uint64_t version_of(const format::SignedManifest& version) {
    const Result<format::Manifest> manifest = format::parse_manifest(version.manifest);
    return manifest ? manifest->version : 0;
}

ordered_json number_or_null(std::uint64_t number) {
    return number == 0 ? ordered_json(nullptr) : ordered_json(number);
}

ordered_json trial_json(const format::ImageRecord& record) {
    if (!volume::is_on_trial(record)) return nullptr;
    return {{"version_before", number_or_null(version_of(record.before))},
            {"boots_left", record.trial_boots}};
}

// The last block may reach past the end of the volume.
Bytes marked_bytes(const log::WriteLog& log) {
    const format::LogGeometry& geometry = log.geometry();
    const Bytes whole = geometry.block_size().bytes_of(log.bitmap().marked());
    const BlockIndex last(geometry.blocks().count() - 1);
    if (!log.bitmap().read(last).marked.test(last)) return whole;
    return whole - (geometry.block_size().bytes_of(geometry.blocks()) - geometry.data_size());
}

ordered_json status_json(const OpenLog& log) {
    const format::LogGeometry& geometry = log.write_log.geometry();
    const std::optional<format::ImageRecord>& record = log.write_log.record();
    ordered_json json;
    json["log"] = log.device->name();
    json["uuid"] = log.write_log.superblock().uuid.text();
    json["size"] = geometry.data_size().count();
    json["block_size"] = geometry.block_size().bytes().count();
    json["blocks"] = geometry.blocks().count();
    json["marked_blocks"] = log.write_log.bitmap().marked().count();
    json["marked_bytes"] = marked_bytes(log.write_log).count();
    json["untrusted_blocks"] = log.write_log.bitmap().untrusted().count();
    json["data_url"] = text_or_null(data_url(log));
    json["record"] = nullptr;
    if (record) {
        json["record"] = {{"image", record->image},
                          {"version", record->image_version},
                          {"state", format::to_string(record->state)},
                          {"unknown", record->unknown},
                          {"version_floor", record->version_floor},
                          {"trial", trial_json(*record)},
                          {"rejected_version", number_or_null(record->rejected_version)},
                          {"staged_version", number_or_null(version_of(record->staged))},
                          {"thaw", thaw_json(record->thaw)},
                          {"unrestored_boots", record->unrestored_boots},
                          {"document", text_or_null(record->document)},
                          {"disk",
                           {{"partuuid", record->disk.partuuid},
                            {"wwid", record->disk.wwid},
                            {"start_sector", record->disk.start.count()},
                            {"size_sectors", record->disk.size.count()}}}};
    }
    return json;
}

std::string or_none(const std::string& text) {
    return text.empty() ? "none" : printable(text);
}

void print_status(std::ostream& out, const OpenLog& log) {
    const format::LogGeometry& geometry = log.write_log.geometry();
    const std::optional<format::ImageRecord>& record = log.write_log.record();
    out << "log         " << printable(log.device->name()) << ", uuid "
        << log.write_log.superblock().uuid.text() << "\n";
    if (record) {
        out << "image       " << printable(record->image) << " version " << record->image_version
            << " (floor " << record->version_floor << ")\n"
            << "state       " << volume::state_text(volume::facts_of(log.write_log))
            << (record->unknown ? ", content of marked blocks unknown" : "") << "\n"
            << "disk        PARTUUID " << or_none(record->disk.partuuid) << ", WWID "
            << or_none(record->disk.wwid) << ", start sector " << record->disk.start.count() << ", "
            << record->disk.size.count() << " sectors\n";
        if (record->thaw)
            out << "sessions    THAWED: what they write is kept " << volume::how_long(*record->thaw)
                << ", where the boot's configuration allows it\n";
        else
            out << "sessions    frozen: what they write is undone at the next boot\n";
        if (volume::is_on_trial(*record))
            out << "on trial    boots left before it is gone back to version " << version_of(record->before)
                << ": " << record->trial_boots << "; 'regild mark-good' confirms it\n";
        if (record->staged)
            out << "staged      version " << version_of(record->staged) << ", for the next boot\n";
        if (record->rejected_version != 0)
            out << "rejected    version " << record->rejected_version << ", which was not confirmed\n";
        if (record->unrestored_boots > 0)
            out << "unrestored  started " << record->unrestored_boots
                << (record->unrestored_boots == 1 ? " time" : " times")
                << " in a row without being restored\n";
        if (!record->document.empty())
            out << "document    " << printable(record->document) << ", read when the log was made\n";
        if (const std::string url = data_url(log); !url.empty())
            out << "restores    from " << printable(url) << "\n";
    } else {
        out << "image       unknown: no image record is valid\n";
    }
    out << "volume      " << format_size(geometry.data_size()) << ", " << geometry.blocks().count()
        << " blocks of " << format_size(geometry.block_size().bytes()) << "\n"
        << "marked      " << log.write_log.bitmap().marked().count() << " blocks, "
        << format_size(marked_bytes(log.write_log)) << "\n"
        << "untrusted   " << log.write_log.bitmap().untrusted().count()
        << " blocks (marked because the log could not be read there)\n";
}

Result<ExitCode> run_status(const Environment& environment, const Arguments& arguments) {
    const Result<OpenLog> log = open_log(arguments, block::Access::read);
    if (!log) return log.error();
    if (arguments.has("json"))
        environment.out << json_text(status_json(*log));
    else
        print_status(environment.out, *log);
    return ExitCode::clean;
}

// Calls print(run) for each run of marked blocks, also for one that goes on in the next piece, while `out` is
// good: a large log may have a thousand million of them.
template <class Print>
void for_each_run(const log::WriteLog& log, const std::ostream& out, Print print) {
    const BlockIndex end = BlockIndex(0) + log.geometry().blocks();
    BlockRange open_run;
    for (BlockIndex at; at < end && out;) {
        const BlockSet marked = log.bitmap().read(at).marked;
        while (const std::optional<BlockRange> run = marked.next_run({at, marked.range().end() - at})) {
            if (!out) return;
            if (open_run.count > Blocks(0) && run->first == open_run.end()) {
                open_run.count += run->count;
            } else {
                if (open_run.count > Blocks(0)) print(open_run);
                open_run = *run;
            }
            at = run->end();
        }
        at = marked.range().end();
    }
    if (open_run.count > Blocks(0)) print(open_run);
}

Result<ExitCode> run_dirty(const Environment& environment, const Arguments& arguments) {
    const Result<OpenLog> log = open_log(arguments, block::Access::read);
    if (!log) return log.error();
    const bool json = arguments.has("json");
    std::ostream& out = environment.out;
    if (json)
        out << "{\n    \"block_size\": " << log->write_log.geometry().block_size().bytes().count()
            << ",\n    \"blocks\": " << log->write_log.geometry().blocks().count() << ",\n    \"ranges\": [";
    const char* separator = "";
    Blocks listed;  // while the volume is mapped, marks come as we read
    for_each_run(log->write_log, out, [&](BlockRange run) {
        const std::uint64_t first = run.first.value();
        const std::uint64_t last = run.end().value() - 1;
        if (json)
            out << separator << "\n        [" << first << ", " << last << "]";
        else if (first == last)
            out << first << "\n";
        else
            out << first << "-" << last << "\n";
        separator = ",";
        listed += run.count;
    });
    if (json)
        out << (*separator ? "\n    " : "") << "],\n    \"marked_blocks\": " << listed.count() << "\n}\n";
    return ExitCode::clean;
}

// "FIRST" or "FIRST-LAST"
Result<BlockRange> parse_range(const std::string& text, Blocks blocks) {
    const std::size_t dash = text.find('-');
    const Result<std::uint64_t> first = parse_number("range " + text, text.substr(0, dash));
    if (!first) return first.error();
    const Result<std::uint64_t> last =
        dash == std::string::npos ? first : parse_number("range " + text, text.substr(dash + 1));
    if (!last) return last.error();
    if (*first > *last) return Error{Failure::usage, "range " + text + " ends before it begins"};
    if (*last >= blocks.count())
        return Error{Failure::usage, "range " + text + " leaves the volume: its last block is " +
                                         std::to_string(blocks.count() - 1)};
    return BlockRange{BlockIndex(*first), Blocks(*last - *first + 1)};
}

Result<ExitCode> run_mark(const Environment& environment, const Arguments& arguments) {
    Result<OpenLog> log = open_log(arguments, block::Access::exclusive);
    if (!log) return log.error();
    std::vector<BlockRange> ranges;
    for (const std::string& operand : arguments.operands()) {
        const Result<BlockRange> range = parse_range(operand, log->write_log.geometry().blocks());
        if (!range) return range.error();
        ranges.push_back(*range);
    }
    const Blocks before = log->write_log.bitmap().marked();
    if (Result<void> marked = log->write_log.bitmap().mark(ranges); !marked) return marked.error();
    const Blocks after = log->write_log.bitmap().marked();
    environment.out << "newly marked: " << (after - before).count() << ", marked in all: " << after.count()
                    << "\n";
    return ExitCode::clean;
}

Result<ExitCode> run_mark_good(const Environment& environment, const Arguments& arguments) {
    Result<OpenLog> log = open_log(arguments, block::Access::shared);
    if (!log) return log.error();
    const std::optional<format::ImageRecord>& record = log->write_log.record();
    if (!record) return Error{Failure::disk, "the log holds no valid image record"};
    const std::string version = "version " + std::to_string(record->image_version) + " of " + record->image;
    const Result<bool> confirmed = volume::mark_good(log->write_log);
    if (!confirmed) return confirmed.error();
    environment.out << version << (*confirmed ? " is confirmed\n" : " is not on trial: nothing to confirm\n");
    return ExitCode::clean;
}

}  // namespace

const Command mark_good_command{
    .name = "mark-good",
    .summary = "confirm the version that runs, which is on trial",
    .description =
        "Says that the version on trial came up: it stays, and no older one is installed\n"
        "any more. For a unit that runs late in the start of the system. Works while the\n"
        "volume is mapped; without a trial it changes nothing.",
    .options = {config_option, log_option},
    .operands = nullptr,
    .many_operands = false,
    .run = run_mark_good};

const Command status_command{
    .name = "status",
    .summary = "show what a log tells",
    .description =
        "Shows the image, its version and state, and how many blocks are marked. Works\n"
        "while the volume is mapped.",
    .options = {config_option, log_option, json_option},
    .operands = nullptr,
    .many_operands = false,
    .run = run_status};

const Command dirty_command{
    .name = "dirty",
    .summary = "list the marked blocks",
    .description =
        "Lists the ranges of marked blocks, one a line: FIRST-LAST, or FIRST for a single\n"
        "block. Works while the volume is mapped.",
    .options = {config_option, log_option, json_option},
    .operands = nullptr,
    .many_operands = false,
    .run = run_dirty};

const Command mark_command{
    .name = "mark",
    .summary = "mark blocks, so that the next restore rewrites them",
    .description = "Marks blocks FIRST to LAST in the log of a volume that is not mapped.",
    .options = {config_option, log_option},
    .operands = "FIRST[-LAST]...",
    .many_operands = true,
    .run = run_mark};

}  // namespace regild::cli
