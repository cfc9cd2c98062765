// SPDX-License-Identifier: GPL-2.0-or-later
// regild cache: what it holds, how to fill it, and how to be rid of that.
#include <nlohmann/json.hpp>

#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/transport.hpp"
#include "cli/waited_cache.hpp"
#include "log/write_log.hpp"
#include "volume/fill.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/trial.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

void print_status(const Environment& environment, bool as_json, const volume::OpenCache& open) {
    const store::Cache::Content content = open.cache->content();
    const Bytes room = open.cache->geometry().ring_length();
    if (as_json) {
        const ordered_json json = {{"cache", open.device->name()},
                                   {"size", open.device->size().count()},
                                   {"room", room.count()},
                                   {"chunks", content.chunks},
                                   {"bytes", content.length.count()}};
        environment.out << json_text(json);
        return;
    }
    environment.out << "cache       " << printable(open.device->name()) << ", "
                    << format_size(open.device->size()) << "\n"
                    << "room        " << format_size(room) << " for chunks\n"
                    << "holds       " << content.chunks << " chunks of " << format_size(content.length)
                    << "\n";
}

Result<volume::OpenCache> open_to_write(const Environment& environment,
                                        const format::Configuration& configuration, Observer& observer) {
    return wait_for_cache(configuration.cache, observer, boot::patient_wait(environment.stop));
}

Result<ExitCode> drop(const Environment& environment, const format::Configuration& configuration) {
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<volume::OpenCache> open = open_to_write(environment, configuration, *observer);
    if (!open) return open.error();
    open->cache->drop();
    if (open->cache->error()) return *open->cache->error();
    return ExitCode::clean;
}

// The version that the log's volume holds, which may be mapped meanwhile.
Result<format::ImageRecord> installed_version(const std::string& log_path_or_tag) {
    const Result<std::string> path = block::resolve(log_path_or_tag);
    if (!path) return path.error();
    Result<std::unique_ptr<block::Device>> device = block::Device::open(*path, block::Access::read);
    if (!device) return device.error();
    Result<std::optional<log::WriteLog>> log = log::WriteLog::open(**device);
    if (!log) return log.error();
    if (!*log || !(*log)->record())
        return Error{Failure::refused, "no log on " + *path + " says which version to fill the cache with"};
    return *(*log)->record();
}

// The version that the next boot is to have: what is staged, where a boot would install it.
Result<store::Source> to_fill(const net::Url& url, const format::ImageRecord& record,
                              format::UpdatePolicy update, const store::Trust& trust) {
    if (update == format::UpdatePolicy::staged && record.staged && !volume::is_on_trial(record) &&
        trust.check(record.staged.manifest, record.staged.signature)) {
        Result<store::Source> staged = store::installed_source(url, record.staged.manifest);
        if (staged && staged->manifest.version > record.image_version) return staged;
    }
    if (Result<void> believed = trust.check(record.manifest, record.signature); !believed)
        return believed.error().context("the manifest in the log").as(Failure::refused);
    return store::installed_source(url, record.manifest);
}

// What is wrong with the configuration is told before anything is waited for.
Result<ExitCode> fill(const Environment& environment, const format::Configuration& configuration) {
    if (configuration.log.empty() || configuration.source.empty())
        return Error{Failure::usage, "fill needs --log and --source as well, or --config"};
    const Result<net::Url> url = net::parse_document_url(configuration.source);
    if (!url) return url.error();
    const Result<store::Trust> trust = trust_of(configuration);
    if (!trust) return trust.error();
    Result<net::FetchOptions> options = fetch_options_of(configuration);
    if (!options) return options.error();
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<volume::OpenCache> open = open_to_write(environment, configuration, *observer);
    if (!open) return open.error();
    const Result<format::ImageRecord> record = installed_version(configuration.log);
    if (!record) return record.error();
    const Result<store::Source> source = to_fill(*url, *record, configuration.update, *trust);
    if (!source) return source.error();
    const std::unique_ptr<net::Fetcher> fetcher =
        make_fetcher(configuration, *std::move(options), *observer, environment.stop);
    const Result<volume::FillReport> report =
        volume::fill_cache(*source, *fetcher, *open->cache, *observer, environment.stop);
    if (!report && report.error().kind == Failure::interrupted)
        return Error{Failure::interrupted, "interrupted: what was fetched is kept; run it again to go on"};
    if (!report) return report.error();
    const std::string fetched = record->image + " version " + std::to_string(source->manifest.version) +
                                ": " + std::to_string(report->fetched.count()) + " of " +
                                std::to_string(report->wanted.count()) + " blocks fetched (" +
                                format_size(fetcher->totals().received) + "); ";
    if (!report->whole)
        return Error{Failure::refused, fetched + "the cache is full and does not have all of it"};
    environment.out << printable(fetched) << "the cache has all of it\n";
    return ExitCode::clean;
}

Result<ExitCode> run_cache(const Environment& environment, const Arguments& arguments) {
    const std::string& what = arguments.operands()[0];
    if (what != "status" && what != "drop" && what != "fill")
        return Error{Failure::usage,
                     "'" + printable(what) + "' is nothing to do with a cache: status, fill or drop"};
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    if (configuration->cache.empty())
        return Error{Failure::usage, "the configuration names no cache; give one with --cache"};
    if (what == "fill") return fill(environment, *configuration);
    if (what == "drop") return drop(environment, *configuration);
    const Result<volume::OpenCache> open = volume::look_at_cache(configuration->cache);
    if (!open) return open.error();
    print_status(environment, arguments.has(json_option.name), *open);
    return ExitCode::clean;
}

}  // namespace

const Command cache_command{
    .name = "cache",
    .summary = "show what the cache holds, fill it, or empty it",
    .description =
        "WHAT is status, fill or drop. The cache keeps what was fetched, so that the next\n"
        "restore needs no network; fill fetches all that the version has which the next boot is to\n"
        "have: what is staged, or else what is installed.",
    .options = with_transport_options(
        {config_option,
         {"cache", "DEV",
          "the cache: a path or PARTLABEL=, PARTUUID=, LABEL=, UUID=", Need::here_or_in_configuration},
         {"log", "DEV", "of fill: the log of the volume, which may be mapped"},
         {"source", "URL", "of fill: the manifest or channel"},
         keys_option},
        {json_option}),
    .operands = "WHAT",
    .many_operands = false,
    .run = run_cache};

}  // namespace regild::cli
