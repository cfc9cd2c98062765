// SPDX-License-Identifier: GPL-2.0-or-later
// regild capture: what sessions wrote on a master machine becomes the next version.
#include "volume/capture.hpp"

#include <nlohmann/json.hpp>

#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/transport.hpp"
#include "cli/volume_report.hpp"
#include "cli/zstd_level.hpp"
#include "dm/holders.hpp"
#include "volume/volume.hpp"

namespace regild::cli {
namespace {

constexpr Option version_option{"version", "N", "number of the new version (default: the next one)"};

// The volume that is captured, which nobody writes to meanwhile.
struct Master {
    volume::Volume volume;
    bool mapped;  // read-only: what is under it is not written either (invariant 5)

    bool is_at_rest() {
        return !mapped || dm::is_mapped_read_only(volume.data().name(), volume.log_device().name());
    }
};

// Why the disk holds the version before still; nullptr: it holds the new one.
const char* why_not_held(Master& master) {
    if (!master.volume.trust().has_keys() && master.volume.record().signature.empty())
        return master.mapped ? "it is mapped" : nullptr;
    return "the new one is not signed yet";
}

void print_json(std::ostream& out, const volume::CaptureReport& report, const format::Manifest& base,
                const std::string& delta, bool held) {
    nlohmann::ordered_json json;
    json["image"] = base.image;
    json["version"] = report.manifest.version;
    json["base_version"] = base.version;
    json["holds_version"] = held ? report.manifest.version : base.version;
    json["block_size"] = base.block_size.bytes().count();
    json["marked_blocks"] = report.marked.count();
    json["changed_blocks"] = report.changed.count();
    json["changed_bytes"] = base.block_size.bytes_of(report.changed).count();
    json["zero_blocks"] = report.zero.count();
    json["compressed_bytes"] = report.frames.count();
    json["root_hash"] = to_hex(report.manifest.root_hash);
    json["delta"] = delta;
    out << json_text(json);
}

void print_text(std::ostream& out, const volume::CaptureReport& report, const format::Manifest& base,
                const std::string& delta, const char* not_held) {
    out << "image      " << base.image << " version " << report.manifest.version << ", from version "
        << base.version << "\n"
        << "marked     " << blocks_text(report.marked, base.block_size) << "\n"
        << "changed    " << report.changed.count() << " of them, " << report.zero.count()
        << " to zeros, the others compressed to " << format_size(report.frames) << "\n"
        << "root hash  " << to_hex(report.manifest.root_hash) << "\n"
        << "delta      " << printable(delta) << ": publish it with 'regild publish --delta'\n"
        << "this disk  holds version ";
    if (not_held == nullptr)
        out << report.manifest.version << " now; it can be restored once that is published\n";
    else
        out << base.version << " still, as " << not_held << "; it is to be updated like others\n";
}

// A number that another version has would leave a disk and a delta that no store can take. Where the source
// does not answer the owner knows.
Result<void> check_is_free(net::Fetcher& fetcher, const net::Url& source, std::uint64_t version) {
    const Result<net::Url> manifest = store::manifest_url(source, version);
    if (!manifest) return manifest.error();
    if (!fetcher.get(*manifest, format::max_manifest_size)) return {};
    return Error{Failure::refused, manifest->shown() +
                                       " is there already: give the new version another "
                                       "number by --version, or update this disk first"};
}

Result<Master> open_master(const format::Configuration& configuration, const store::Trust& trust) {
    const volume::VolumePaths paths{configuration.data, configuration.log};
    Result<volume::Volume> alone = volume::Volume::open(paths, block::Access::exclusive, trust);
    if (alone) return Master{*std::move(alone), false};
    if (alone.error().kind != Failure::refused) return alone.error();
    Result<volume::Volume> beside = volume::Volume::open(paths, block::Access::read, trust);
    if (!beside) return beside.error();
    Master master{*std::move(beside), true};
    if (!master.is_at_rest())
        return Error{Failure::refused, alone.error().message + ", or map it by 'regild map --read-only'"};
    return master;
}

Result<ExitCode> run_capture(const Environment& environment, const Arguments& arguments) {
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    Result<net::FetchOptions> options = fetch_options_of(*configuration);
    if (!options) return options.error();
    const Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    const Result<int> level = zstd_level_of(arguments);
    if (!level) return level.error();
    const Result<net::Url> url = net::parse_document_url(configuration->source);
    if (!url) return url.error();

    Result<Master> master = open_master(*configuration, *trust);
    if (!master) return master.error();
    volume::Volume& volume = master->volume;
    if (!volume.usable_log()) return Error{Failure::refused, volume.unusable_reason()};
    const Result<store::Source> installed = store::installed_source(*url, volume.record().manifest);
    if (!installed) return installed.error();
    std::uint64_t version = installed->manifest.version + 1;
    if (arguments.has(version_option.name)) {
        const Result<std::uint64_t> given = parse_number("--version", arguments.value(version_option.name));
        if (!given) return given.error();
        version = *given;
    }
    const Result<volume::OpenCache> cache = cache_of(*configuration);
    if (!cache) return cache.error();

    const std::unique_ptr<Observer> observer = make_progress(environment);
    const std::unique_ptr<net::Fetcher> fetcher =
        make_fetcher(*configuration, *std::move(options), *observer, environment.stop);
    if (Result<void> is_free = check_is_free(*fetcher, *url, version); !is_free) return is_free.error();
    const std::string& delta = arguments.operands()[0];
    const volume::RestoreTarget target{volume.log(), volume.data()};
    const Result<volume::CaptureReport> report =
        volume::capture(target, *installed, *fetcher, cache->cache.get(), {delta, version, *level}, *observer,
                        environment.stop);
    if (!report && report.error().kind == Failure::interrupted)
        return Error{Failure::interrupted, "interrupted: there is no delta, and the disk is as it was"};
    if (!report) return report.error();
    if (!master->is_at_rest()) {
        std::error_code ignored;
        std::filesystem::remove(delta, ignored);
        return Error{Failure::refused,
                     volume.data().name() +
                         " did not stay mapped read-only while it was read: there is no delta, start again"};
    }
    const char* const not_held = why_not_held(*master);
    if (not_held == nullptr)
        if (Result<void> held = volume::hold_captured(target, report->manifest); !held)
            return held.error().context(delta + " is whole, but the log of this disk");
    if (arguments.has(json_option.name))
        print_json(environment.out, *report, installed->manifest, delta, not_held == nullptr);
    else
        print_text(environment.out, *report, installed->manifest, delta, not_held);
    return ExitCode::clean;
}

}  // namespace

const Command capture_command{
    .name = "capture",
    .summary = "make what sessions wrote on this disk the next version",
    .description =
        "Reads the marked blocks of a volume that is not mapped, or mapped read-only, and\n"
        "writes those that are otherwise than in the version that it holds to the new file\n"
        "DELTA, of which 'regild publish --delta' makes the next version. Without keys a\n"
        "disk that is not mapped holds that version from then on; others are updated to it.",
    .options = with_transport_options(
        {config_option, data_option, log_option, source_option, keys_option, cache_option},
        {version_option, zstd_level_option, json_option}),
    .operands = "DELTA",
    .many_operands = false,
    .run = run_capture};

}  // namespace regild::cli
