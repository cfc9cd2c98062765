// SPDX-License-Identifier: GPL-2.0-or-later
// regild format, provision, restore, verify: what is done to a disk together with its log.
#include <chrono>

#include "boot/decision.hpp"
#include "cli/configuration_file.hpp"
#include "cli/progress.hpp"
#include "cli/staging.hpp"
#include "cli/transport.hpp"
#include "cli/volume_report.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/stage.hpp"
#include "volume/thaw.hpp"
#include "volume/trial.hpp"
#include "volume/update.hpp"

namespace regild::cli {
namespace {

// A run of one command: what its steps share.
class Run {
  public:
    Run(const Environment& environment, const Arguments& arguments, format::Configuration configuration,
        net::FetchOptions fetch_options, store::Trust trust)
        : environment_(environment),
          as_json_(arguments.has(json_option.name)),
          configuration_(std::move(configuration)),
          fetch_options_(std::move(fetch_options)),
          trust_(std::move(trust)),
          observer_(make_progress(environment)),
          started_(std::chrono::steady_clock::now()) {}

    Result<net::Url> url() const { return net::parse_document_url(configuration_.source); }
    bool as_json() const { return as_json_; }
    std::optional<Bytes> max_fetch() const { return configuration_.max_fetch; }
    std::ostream& out() { return environment_.out; }
    Observer& observer() { return *observer_; }
    const StopFlag& stop() const { return environment_.stop; }
    // Made when it is needed: without work there is no request.
    net::Fetcher& fetcher() {
        if (!fetcher_) fetcher_ = make_fetcher(configuration_, fetch_options_, *observer_, environment_.stop);
        return *fetcher_;
    }

    Result<volume::Volume> open_volume() const {
        return volume::Volume::open({configuration_.data, configuration_.log}, block::Access::exclusive,
                                    trust_);
    }
    // "; to ...: regild <command> --data ... --log ... --source ..."
    std::string advice(const std::string& purpose, const std::string& command) const {
        const Result<net::Url> source = url();
        return "; to " + purpose + ": regild " + command + " --data " + configuration_.data + " --log " +
               configuration_.log + " --source " + (source ? source->shown() : "URL");
    }
    // Opened when they are needed.
    Result<volume::NearbyDevices> nearby() {
        if (!nearby_) {
            Result<volume::OpenNearby> opened = volume::open_nearby(
                configuration_, [](const Error& why, const store::NearbyKind&) { return Result<void>(why); });
            if (!opened) return opened.error();
            nearby_ = *std::move(opened);
        }
        return nearby_->devices();
    }
    Result<void> format(volume::Volume& volume) {
        const Result<net::Url> document = url();
        if (!document) return document.error();
        const Result<store::Source> source = store::offered_source(fetcher(), *document, trust_);
        if (!source) return source.error();
        return volume.format(*source, {configuration_.adopt, configuration_.allow_downgrade});
    }
    // Marks what is otherwise in the version that the source offers, if it is newer. False: it is not.
    Result<bool> update(volume::Volume& volume);
    // Restores what is marked and prints what that took.
    Result<void> restore(volume::Volume& volume, const char* outcome, std::optional<Bytes> max_fetch);
    // The source of the version that the volume holds; refused without a usable log.
    Result<store::Source> installed_source(volume::Volume& volume) const {
        if (!volume.usable_log())
            return Error{Failure::refused,
                         volume.unusable_reason() + advice("provision the disk", "provision")};
        const Result<net::Url> document = url();
        if (!document) return document.error();
        return store::installed_source(*document, volume.record().manifest);
    }

  private:
    const Environment& environment_;
    const bool as_json_;
    const format::Configuration configuration_;
    const net::FetchOptions fetch_options_;
    const store::Trust trust_;
    std::unique_ptr<Observer> observer_;
    std::chrono::steady_clock::time_point started_;
    std::unique_ptr<net::Fetcher> fetcher_;
    std::optional<volume::OpenNearby> nearby_;
    std::optional<volume::WayBack> way_back_;  // of an update, that was put into the cache
};

Result<bool> Run::update(volume::Volume& volume) {
    const Result<store::Source> installed = installed_source(volume);
    if (!installed) return installed.error();
    if (Result<void> repaired = volume.repair(); !repaired) return repaired.error();
    const Result<std::optional<store::Source>> newer = volume::newer_version(
        volume.log(), fetcher(), *url(), {trust_, configuration_.tags, true}, *observer_);
    if (!newer) return newer.error();
    if (!*newer) return false;
    if (volume::is_on_trial(volume.record()))
        return Error{Failure::refused, image_text(volume.record()) +
                                           " is on trial: confirm it with regild mark-good, or let a boot go "
                                           "back from it, before another one is installed"};
    const store::Source* const offered = &**newer;
    if (Result<void> fits = volume.check_fits(offered->manifest); !fits) return fits.error();
    const Result<volume::NearbyDevices> nearby = this->nearby();
    if (!nearby) return nearby.error();
    const volume::TreeSources trees{fetcher(), nearby->cache, observer()};
    const Result<volume::Update> update =
        volume::update(volume.log(), *installed, *offered, configuration_.trial_boots, trees);
    if (!update) return update.error();
    const BlockSize block_size = offered->manifest.block_size;
    observer().event(image_text(volume.record()) + ": " + blocks_text(update->marked, block_size) +
                     " differ from version " + std::to_string(installed->manifest.version));
    if (!nearby->cache || !volume::will_be_on_trial(volume.record())) return true;
    Result<std::optional<volume::WayBack>> kept =
        volume::keep_way_back(*installed, *offered, volume.data(), trees, environment_.stop);
    if (!kept) return kept.error();
    way_back_ = *std::move(kept);
    return true;
}

Result<void> Run::restore(volume::Volume& volume, const char* outcome, std::optional<Bytes> max_fetch) {
    const Result<store::Source> source = installed_source(volume);
    if (!source) return source.error();
    if (Result<void> repaired = volume.repair(); !repaired) return repaired;
    const Result<volume::NearbyDevices> nearby = this->nearby();
    if (!nearby) return nearby.error();
    volume::Restore restore({volume.log(), volume.data()}, *source, fetcher(), observer(), stop(), *nearby,
                            {max_fetch, configuration_.read_back});
    Result<void> done = restore.attempt();
    if (nearby->cache) volume::tell_of_cache(*nearby->cache, observer());
    if (done && way_back_) volume::tell_of_way_back(*way_back_, {fetcher(), nearby->cache, observer()});
    const BlockSize block_size = volume.log().geometry().block_size();
    if (!done && done.error().kind == Failure::interrupted) return done;  // says what is left
    if (!done)
        return Error{done.error().kind, done.error().message + "; " +
                                            blocks_text(volume.log().bitmap().marked(), block_size) +
                                            " are still marked: run the same command again to go on"};
    print_restore(out(), as_json_, volume,
                  {outcome, restore.report(), std::chrono::steady_clock::now() - started_});
    return {};
}

Result<ExitCode> run_format(Run& run, volume::Volume& volume) {
    if (Result<void> formatted = run.format(volume); !formatted) return formatted.error();
    run.out() << image_text(volume.record()) << ": the log is formatted, "
              << blocks_text(volume.log().bitmap().marked(), volume.log().geometry().block_size())
              << " are marked\n";
    return ExitCode::clean;
}

Result<ExitCode> run_provision(Run& run, volume::Volume& volume) {
    switch (boot::work_for(volume.facts())) {
        case boot::Work::provision:
            run.observer().event(volume.unusable_reason() + ": provisioning");
            if (Result<void> formatted = run.format(volume); !formatted) return formatted.error();
            break;
        case boot::Work::finish_provisioning:
            run.observer().event("an interrupted provisioning goes on");
            break;
        case boot::Work::restore:
        case boot::Work::none:
            return Error{Failure::refused, "already provisioned with " + image_text(volume.record()) +
                                               run.advice("restore it", "restore") +
                                               run.advice("start over", "format")};
    }
    if (Result<void> restored = run.restore(volume, "provisioned", {}); !restored) return restored.error();
    return ExitCode::clean;
}

Result<void> check_not_thawed(const volume::Volume& volume, const char* command) {
    return volume.usable_log() ? volume::check_not_thawed(*volume.usable_log(), command) : Result<void>();
}

Result<ExitCode> run_restore(Run& run, volume::Volume& volume) {
    if (boot::work_for(volume.facts()) == boot::Work::none) {
        print_restore(run.out(), run.as_json(), volume, {"clean", {}, {}});
        return ExitCode::clean;
    }
    if (Result<void> may = check_not_thawed(volume, "restore"); !may) return may.error();
    if (Result<void> restored = run.restore(volume, "restored", run.max_fetch()); !restored)
        return restored.error();
    return ExitCode::clean;
}

Result<ExitCode> run_update(Run& run, volume::Volume& volume) {
    if (Result<void> may = check_not_thawed(volume, "update"); !may) return may.error();
    const Result<bool> updated = run.update(volume);
    if (!updated) return updated.error();
    if (!*updated && boot::work_for(volume.facts()) == boot::Work::none) {
        print_restore(run.out(), run.as_json(), volume, {"clean", {}, {}});
        return ExitCode::clean;
    }
    // A newer version may need more, and is meant.
    const Result<void> restored =
        *updated ? run.restore(volume, "updated", {}) : run.restore(volume, "restored", run.max_fetch());
    if (!restored) return restored.error();
    return ExitCode::clean;
}

Result<ExitCode> run_verify(Run& run, volume::Volume& volume) {
    const Result<store::Source> source = run.installed_source(volume);
    if (!source) return source.error();
    const Result<volume::VerifyReport> report =
        volume::verify({volume.log(), volume.data()}, *source, run.fetcher(), run.observer(), run.stop());
    if (!report) return report.error();

    print_verify(run.out(), run.as_json(), volume, *report);
    return report->golden() ? ExitCode::clean : ExitCode::not_golden;
}

// What the command line or the configuration names is opened before anything else.
template <Result<ExitCode> (*command)(Run&, volume::Volume&)>
Result<ExitCode> on_volume(const Environment& environment, const Arguments& arguments) {
    Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    Result<net::FetchOptions> fetch_options = fetch_options_of(*configuration);
    if (!fetch_options) return fetch_options.error();
    Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    Run run(environment, arguments, *std::move(configuration), *std::move(fetch_options), *std::move(trust));
    Result<volume::Volume> volume = run.open_volume();
    if (!volume) return volume.error();
    return command(run, *volume);
}

Result<ExitCode> run_update_or_staging(const Environment& environment, const Arguments& arguments) {
    return is_staging(arguments) ? run_staging(environment, arguments)
                                 : on_volume<run_update>(environment, arguments);
}

}  // namespace

const Command format_command{
    .name = "format",
    .summary = "make a write log in which every block is marked",
    .description =
        "Makes the log of a disk for the image version that URL offers, with every block\n"
        "marked. The disk itself is not written: 'regild provision' goes on from here.",
    .options = with_transport_options({config_option, data_option, log_option, source_option, keys_option},
                                      {adopt_option, allow_downgrade_option}),
    .operands = nullptr,
    .many_operands = false,
    .run = on_volume<run_format>};

const Command provision_command{
    .name = "provision",
    .summary = "write an image to a disk for the first time",
    .description =
        "Formats the log where there is none for this disk, then restores every block.\n"
        "Interrupted, it goes on where it was when it is run again.",
    .options = with_transport_options({config_option, data_option, log_option, source_option, keys_option,
                                       cache_option, golden_copy_option},
                                      {adopt_option, allow_downgrade_option, read_back_option, json_option}),
    .operands = nullptr,
    .many_operands = false,
    .run = on_volume<run_provision>};

const Command restore_command{
    .name = "restore",
    .summary = "rewrite the marked blocks with golden content",
    .description =
        "Fetches, verifies and writes every marked block of the version that the disk\n"
        "holds. Without a marked block no request is made.",
    .options = with_transport_options({config_option, data_option, log_option, source_option, keys_option,
                                       cache_option, golden_copy_option},
                                      {max_fetch_option, read_back_option, json_option}),
    .operands = nullptr,
    .many_operands = false,
    .run = on_volume<run_restore>};

const Command update_command{
    .name = "update",
    .summary = "install the version that the source offers, if it is newer",
    .description =
        "Marks the blocks that differ between the version that the disk holds and the one\n"
        "that URL offers, and restores them with what else is marked. Where there is\n"
        "none that is newer it is a restore. With --check, --stage and --reboot the volume\n"
        "may be mapped, and is not written.",
    .options =
        with_transport_options({config_option, data_option, log_option, source_option, keys_option,
                                cache_option, golden_copy_option},
                               {check_option, stage_option, reboot_option, read_back_option, json_option}),
    .operands = nullptr,
    .many_operands = false,
    .run = run_update_or_staging};

const Command verify_command{
    .name = "verify",
    .summary = "hash every block and mark those that are wrong",
    .description =
        "Compares the whole disk with the hash tree of the version that it holds, and\n"
        "marks what is wrong or cannot be read, for the next restore. The exit code is 6\n"
        "if any block is not golden, be it marked now or before.",
    .options = with_transport_options({config_option, data_option, log_option, source_option, keys_option},
                                      {json_option}),
    .operands = nullptr,
    .many_operands = false,
    .run = on_volume<run_verify>};

}  // namespace regild::cli
