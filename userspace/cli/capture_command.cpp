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
#include "dm/read_only_mapping.hpp"
#include "volume/volume.hpp"

namespace regild::cli {
namespace {

constexpr Option version_option{"version", "N", "number of the new version (default: the next one)"};

// The volume that is captured: nobody else has it, or it is mapped read-only.
struct Opened {
    std::optional<dm::ReadOnlyMapping> mapping;
    volume::Volume volume;
};

// Nothing is written below a mapped volume (invariant 5), and no version is held that a key did not sign
// where the one before was.
bool may_hold(Opened& opened) {
    return !opened.mapping && !opened.volume.trust().has_keys() && opened.volume.record().signature.empty();
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
                const std::string& delta, bool held, bool mapped) {
    out << "image      " << base.image << " version " << report.manifest.version << ", from version "
        << base.version << "\n"
        << "marked     " << blocks_text(report.marked, base.block_size) << "\n"
        << "changed    " << report.changed.count() << " of them, " << report.zero.count()
        << " to zeros, the others compressed to " << format_size(report.frames) << "\n"
        << "root hash  " << to_hex(report.manifest.root_hash) << "\n"
        << "delta      " << printable(delta) << ": publish it with 'regild publish --delta'\n"
        << "this disk  holds version ";
    if (held)
        out << report.manifest.version << " now; it can be restored once that is published\n";
    else
        out << base.version << " still, as " << (mapped ? "it is mapped" : "the new one is not signed yet")
            << "; it is to be updated like others\n";
}

// A number that another version has would leave a disk and a delta that no store can take. Where the source
// does not answer the owner knows; one that refuses the document that there is, too, has told nothing.
Result<void> check_is_free(net::Fetcher& fetcher, const net::Url& source, std::uint64_t version,
                           Observer& observer) {
    const Result<net::Url> manifest = store::manifest_url(source, version);
    if (!manifest) return manifest.error();
    const std::string what = "whether version " + std::to_string(version) + " is there already";
    Result<std::string> there = fetcher.get(*manifest, format::max_manifest_size);
    const bool has_it = there.ok();
    if (!there && there.error().kind == Failure::source)
        there = fetcher.get(source, std::max(format::max_manifest_size, format::max_channel_size));
    if (!there && there.error().kind == Failure::network) {
        observer.event(what + " is not known: " + there.error().message);
        return {};
    }
    if (!there) return there.error().context(what);
    if (!has_it) return {};
    return Error{Failure::refused, manifest->shown() +
                                       " is there already: give the new version another "
                                       "number by --version, or update this disk first"};
}

Result<Opened> open_quiescent(const format::Configuration& configuration, const store::Trust& trust) {
    const volume::VolumePaths paths{configuration.data, configuration.log};
    Result<volume::Volume> alone = volume::Volume::open(paths, block::Access::exclusive, trust);
    if (alone) return Opened{std::nullopt, *std::move(alone)};
    if (alone.error().kind != Failure::refused) return alone.error();
    const Result<std::string> data = block::resolve(paths.data);
    const Result<std::string> log = block::resolve(paths.log);
    if (!data || !log) return alone.error();
    // Before the marks are read.
    Result<dm::ReadOnlyMapping> mapping = dm::ReadOnlyMapping::open(*data, *log);
    if (!mapping && mapping.error().kind != Failure::refused) return alone.error();
    if (!mapping) return Error{Failure::refused, alone.error().message + "; " + mapping.error().message};
    Result<volume::Volume> beside = volume::Volume::open(paths, block::Access::read, trust);
    if (!beside) return beside.error();
    return Opened{*std::move(mapping), *std::move(beside)};
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

    Result<Opened> opened = open_quiescent(*configuration, *trust);
    if (!opened) return opened.error();
    volume::Volume& volume = opened->volume;
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
    if (Result<void> is_free = check_is_free(*fetcher, *url, version, *observer); !is_free)
        return is_free.error();
    const std::string& delta = arguments.operands()[0];
    const volume::RestoreTarget target{volume.log(), volume.data()};
    const auto check_quiescent = [&]() -> Result<void> {
        if (!opened->mapping) return {};
        const Result<void> quiescent = opened->mapping->check();
        if (!quiescent)
            return quiescent.error().context("the volume was written to, perhaps; there is no delta");
        return {};
    };
    const Result<volume::CaptureReport> report =
        volume::capture(target, *installed, *fetcher, cache->cache.get(),
                        {delta, version, *level, check_quiescent}, *observer, environment.stop);
    if (!report && report.error().kind == Failure::interrupted)
        return Error{Failure::interrupted, "interrupted: there is no delta, and the disk is as it was"};
    if (!report) return report.error();
    const bool hold = may_hold(*opened);
    if (!opened->mapping)
        if (Result<void> noted =
                hold ? volume::hold_captured(target, report->manifest) : volume::await_captured(volume.log());
            !noted)
            return noted.error().context(delta + " is whole, but the log of this disk");
    if (arguments.has(json_option.name))
        print_json(environment.out, *report, installed->manifest, delta, hold);
    else
        print_text(environment.out, *report, installed->manifest, delta, hold, opened->mapping.has_value());
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
