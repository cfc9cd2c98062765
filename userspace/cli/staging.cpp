// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/staging.hpp"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/shared_log.hpp"
#include "cli/transport.hpp"
#include "cli/volume_report.hpp"
#include "cli/waited_cache.hpp"
#include "volume/stage.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

struct Offer {
    format::ImageRecord record;
    store::Source installed;
    std::optional<store::Source> next;
    std::optional<std::string> withheld;  // why there is none
};

// Of another size it is to find room before it is fetched.
Result<void> check_fits_devices(Bytes log_size, const format::ImageRecord& record,
                                const format::Manifest& next) {
    if (next.size <= to_bytes(record.disk.size) && next.log_geometry().log_length() <= log_size) return {};
    return Error{Failure::refused,
                 "version " + std::to_string(next.version) +
                     " is offered, and is too large for the disk or its log: " + format_size(next.size) +
                     ", and " + format_size(next.log_geometry().log_length()) + " of log"};
}

// To write the record, which may have been written since.
Result<SharedLog> reopen(const std::string& log_path, const format::ImageRecord& before) {
    Result<SharedLog> log = open_shared(log_path);
    if (!log) return log;
    const format::ImageRecord& record = *log->write_log.record();
    if (record.image != before.image || record.image_version != before.image_version)
        return Error{Failure::refused, "the volume holds another version than when this began: run it again"};
    return log;
}

// What the source offers; unless this is only a check, what counts of its channel is kept. Nobody has to wait
// for the log while the source is asked.
Result<Offer> ask(const format::Configuration& configuration, const store::Trust& trust,
                  net::Fetcher& fetcher, bool only_check) {
    const Result<net::Url> url = net::parse_document_url(configuration.source);
    if (!url) return url.error();
    format::ImageRecord record;
    Bytes log_size;
    {
        Result<SharedLog> log = open_shared(configuration.log);
        if (!log) return log.error();
        record = *log->write_log.record();
        log_size = log->device->size();
    }
    if (Result<void> believed = trust.check(record.manifest, record.signature); !believed)
        return believed.error().context("the manifest in the log").as(Failure::refused);
    if (!trust.allows(record.image))
        return Error{Failure::refused, "the log is of image " + record.image + ", which is not the source's"};
    Result<store::Source> installed = store::installed_source(*url, record.manifest);
    if (!installed) return installed.error();
    const volume::Asker asker{trust, configuration.tags};
    Result<store::Offered> offered = volume::offered_to(asker, record, fetcher, *url);
    if (!offered) return offered.error();
    if (!only_check) {
        Result<SharedLog> log = reopen(configuration.log, record);
        if (!log) return log.error();
        if (Result<void> noted = volume::note_offered(log->write_log, asker, *offered); !noted)
            return noted.error();
    }
    std::optional<std::string> withheld = offered->withheld;
    Result<std::optional<store::Source>> next = volume::newer_of(asker, record, *std::move(offered));
    if (!next) return next.error();
    if (*next)
        if (Result<void> fits = check_fits_devices(log_size, record, (*next)->manifest); !fits)
            return fits.error();
    return Offer{record, *std::move(installed), *std::move(next), std::move(withheld)};
}

// The disk that holds the installed version, where that may have to be gone back to; else nothing.
Result<std::unique_ptr<block::Device>> disk_to_go_back_on(const format::Configuration& configuration) {
    if (configuration.trial_boots == 0 || configuration.cache.empty())
        return std::unique_ptr<block::Device>();
    const Result<std::string> path = block::resolve(configuration.data);
    if (!path) return path.error();
    return block::Device::open(*path, block::Access::read);
}

Result<void> note_staged(const std::string& log_path, const Offer& offer) {
    Result<SharedLog> log = reopen(log_path, offer.record);
    if (!log) return log.error();
    format::ImageRecord record = *log->write_log.record();
    record.staged = {offer.next->manifest_text, offer.next->signature};
    return log->write_log.write_record(std::move(record));
}

ordered_json offer_json(const Offer& offer) {
    ordered_json json;
    json["image"] = offer.record.image;
    json["version"] = offer.record.image_version;
    json["offered_version"] = offer.next ? ordered_json(offer.next->manifest.version) : ordered_json(nullptr);
    json["withheld"] = offer.withheld ? ordered_json(*offer.withheld) : ordered_json(nullptr);
    return json;
}

void say_nothing_newer(std::ostream& out, const Offer& offer) {
    out << image_text(offer.record) << " is the newest that this machine is offered";
    if (offer.record.rejected_version != 0)
        out << " but for version " << offer.record.rejected_version << ", which was not confirmed";
    if (offer.withheld) out << "; " << printable(*offer.withheld);
    out << "\n";
}

Result<ExitCode> check(const Environment& environment, bool as_json, const Offer& offer, block::Storage* disk,
                       const volume::TreeSources& trees) {
    std::optional<volume::UpdateNeed> need;
    if (offer.next) {
        Result<volume::UpdateNeed> told = volume::update_need(offer.installed, *offer.next, disk, trees);
        if (!told) return told.error();
        need = *std::move(told);
    }
    const BlockSize block_size =
        offer.next ? offer.next->manifest.block_size : offer.installed.manifest.block_size;
    std::ostream& out = environment.out;
    if (as_json) {
        ordered_json json = offer_json(offer);
        if (need) {
            json["differing_blocks"] = need->differing.count();
            json["differing_bytes"] = block_size.bytes_of(need->differing).count();
            json["bytes_to_fetch"] =
                need->all_unknown ? ordered_json(nullptr) : ordered_json(need->frames.count());
        }
        out << json_text(json);
    } else if (!need) {
        say_nothing_newer(out, offer);
    } else {
        out << image_text(offer.record) << ": version " << offer.next->manifest.version << " is offered, ";
        if (need->all_unknown)
            out << "and it cannot be told which of " << blocks_text(need->differing, block_size)
                << " differ: all will be hashed\n";
        else
            out << blocks_text(need->differing, block_size) << " differ, " << format_size(need->frames)
                << " to fetch\n";
    }
    return ExitCode::clean;
}

Result<ExitCode> stage(const Environment& environment, const format::Configuration& configuration,
                       bool as_json, const Offer& offer, block::Storage* disk,
                       const volume::TreeSources& trees) {
    std::optional<volume::StageReport> report;
    if (offer.next) {
        Result<volume::StageReport> staged =
            volume::stage(offer.installed, *offer.next, disk, trees, environment.stop);
        if (!staged && staged.error().kind == Failure::interrupted)
            return Error{Failure::interrupted,
                         "interrupted: what was fetched is kept; run it again to go on"};
        if (!staged) return staged.error();
        if (!staged->whole)
            return Error{Failure::refused,
                         "the cache " + configuration.cache + " is too small for what differs in version " +
                             std::to_string(offer.next->manifest.version) + ", " +
                             blocks_text(staged->differing, offer.next->manifest.block_size)};
        if (Result<void> noted = note_staged(configuration.log, offer); !noted) return noted.error();
        report = *std::move(staged);
    }
    std::ostream& out = environment.out;
    if (as_json) {
        ordered_json json = offer_json(offer);
        json["staged"] = report.has_value();
        if (report) {
            json["differing_blocks"] = report->differing.count();
            json["fetched_blocks"] = report->fetched.count();
            json["bytes_fetched"] = trees.fetcher.totals().received.count();
            json["way_back"] = report->way_back;
        }
        out << json_text(json);
    } else if (!report) {
        say_nothing_newer(out, offer);
    } else {
        out << image_text(offer.record) << ": version " << offer.next->manifest.version << " is staged, its "
            << blocks_text(report->differing, offer.next->manifest.block_size)
            << " that differ are in the cache (" << format_size(trees.fetcher.totals().received)
            << " fetched)" << (report->way_back ? ", and so are those of the way back\n" : "\n");
    }
    return ExitCode::clean;
}

// Where `systemctl` is not the one of the system it is the caller's.
Error start_anew() {
    execlp("systemctl", "systemctl", "reboot", static_cast<char*>(nullptr));
    return errno_error("cannot run systemctl reboot");
}

}  // namespace

bool is_staging(const Arguments& arguments) {
    return arguments.has(check_option.name) || arguments.has(stage_option.name) ||
           arguments.has(reboot_option.name);
}

Result<ExitCode> run_staging(const Environment& environment, const Arguments& arguments) {
    const bool only_check = arguments.has(check_option.name);
    const bool reboot = arguments.has(reboot_option.name);
    if (only_check && (reboot || arguments.has(stage_option.name)))
        return Error{Failure::usage, "--check changes nothing: it does not go with --stage or --reboot"};
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    if (!only_check && configuration->cache.empty())
        return Error{Failure::usage, "what is staged lies in the cache; give one with --cache"};
    Result<net::FetchOptions> options = fetch_options_of(*configuration);
    if (!options) return options.error();
    const Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<volume::OpenCache> cache =
        only_check ? look_at_cache_of(*configuration)
                   : wait_for_cache(configuration->cache, *observer, boot::patient_wait(environment.stop));
    if (!cache) return cache.error();
    const std::unique_ptr<net::Fetcher> fetcher =
        make_fetcher(*configuration, *std::move(options), *observer, environment.stop);
    const Result<Offer> offer = ask(*configuration, *trust, *fetcher, only_check);
    if (!offer) return offer.error();
    const Result<std::unique_ptr<block::Device>> disk = disk_to_go_back_on(*configuration);
    if (!disk) return disk.error();
    const volume::TreeSources trees{*fetcher, cache->cache.get(), *observer};
    const bool as_json = arguments.has("json");
    if (only_check) return check(environment, as_json, *offer, disk->get(), trees);
    Result<ExitCode> staged = stage(environment, *configuration, as_json, *offer, disk->get(), trees);
    if (!staged || !reboot || !offer->next) return staged;
    environment.out.flush();
    return start_anew();
}

}  // namespace regild::cli
