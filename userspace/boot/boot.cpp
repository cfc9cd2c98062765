// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/boot.hpp"

#include <algorithm>
#include <random>
#include <thread>

#include <regild/regild_format.h>
#include "boot/decision.hpp"
#include "boot/hold.hpp"
#include "boot/late_fetcher.hpp"
#include "boot/missing_device.hpp"
#include "boot/policy.hpp"
#include "boot/thaw_text.hpp"
#include "boot/versions.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/thaw.hpp"
#include "volume/trial.hpp"

namespace regild::boot {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds poll_interval{100};

BootOutcome outcome_of(const Decision& decision) {
    if (decision.thaw == Thawing::kept) return BootOutcome::thawed;
    if (decision.off == OffArgument::obeyed) return BootOutcome::skipped;
    switch (decision.work) {
        case Work::none:
            return BootOutcome::clean;
        case Work::restore:
            return BootOutcome::restored;
        case Work::finish_provisioning:
        case Work::provision:
            break;
    }
    return BootOutcome::provisioned;
}

bool is_local(const std::string& source) {
    const Result<net::Url> url = net::Url::parse(source);
    return url && url->is_local();
}

// One run of `regild boot`: what the steps share.
class Boot {
  public:
    Boot(const format::Configuration& configuration, const BootOptions& options,
         const Surroundings& surroundings, Course& course)
        : configuration_(configuration),
          options_(options),
          in_(surroundings),
          versions_(configuration, surroundings.trust, surroundings.observer, surroundings.stop,
                    [this] {
                        return volume::TreeSources{fetcher(), nearby_.devices().cache, in_.observer};
                    }),
          course_(course) {}
    Boot(const Boot&) = delete;

    Result<BootReport> run() {
        for (;;) {
            const Result<bool> done = attempt();
            if (!done) return done.error();
            if (*done) return report_;
        }
    }
    // To be called when run() failed: what the owner wants then.
    Error give_up(const Error& error);

  private:
    // False: the log was laid out anew, for which another table has to be loaded; nothing was restored.
    Result<bool> attempt();
    Result<volume::Volume> wait_for_volume(block::Access access);
    Error missing(const Error& error) const;
    Result<Decision> look_at(volume::Volume& volume);
    Thawing look_at_thaw(volume::Volume& volume);
    Result<store::Source> source_for(volume::Volume& volume, Work work);
    Result<void> take_back(volume::Volume& volume, const Error& why);
    Result<void> restore(volume::Restore& restore, volume::Volume& volume);
    Result<void> make_golden(volume::Volume& volume, const store::Source& source);
    Result<void> start_unrestored(volume::Volume& volume, const Error& error);
    void say_owners_message();

    // For blocks whose digests are known, any of the sources; which version there is to be says the first, or
    // who is asked when it has been.
    bool may_ask_some() const {
        return may_ask_first() || std::ranges::any_of(configuration_.mirrors, is_local);
    }
    bool may_ask_first() const { return !options_.no_network || is_local(configuration_.source); }
    // By a boot that provisions nothing.
    std::optional<Bytes> most_to_fetch() const {
        return options_.no_network ? std::nullopt : configuration_.max_fetch;
    }
    net::Fetcher& fetcher();
    void open_nearby();
    // Calls `attempt` until it succeeds or the policy says to give up.
    template <class Attempt>
    auto with_patience(Attempt attempt) -> decltype(attempt());

    const format::Configuration& configuration_;
    const BootOptions& options_;
    const Surroundings& in_;
    std::unique_ptr<net::Fetcher> fetcher_;
    volume::OpenNearby nearby_;
    Versions versions_;
    Course& course_;
    bool taken_back_ = false;  // what is newer is not to be had: it is not asked for again
    BootReport report_;
};

template <class Attempt>
auto Boot::with_patience(Attempt attempt) -> decltype(attempt()) {
    Failures failures{.count = 0};
    steady_clock::time_point first;
    for (;;) {
        auto result = attempt();
        if (result.ok() || options_.no_network) return result;
        if (failures.count++ == 0) first = in_.now();
        failures.kind = result.error().kind;
        failures.since_first = std::chrono::duration_cast<seconds>(in_.now() - first);
        const std::optional<seconds> delay = delay_before_retry(failures, configuration_.offline);
        if (!delay) return result;
        in_.observer.event(result.error().message + "; trying again in " + std::to_string(delay->count()) +
                           " s");
        if (failures.count == 1 && configuration_.offline.policy == format::OfflinePolicy::wait)
            say_owners_message();
        if (Result<void> waited = in_.wait(*delay); !waited) return waited.error();
    }
}

void Boot::say_owners_message() {
    if (!configuration_.offline.message.empty()) in_.observer.event(configuration_.offline.message);
}

net::Fetcher& Boot::fetcher() {
    if (!fetcher_)
        fetcher_ = in_.make_fetcher([this](std::unique_ptr<net::Fetcher> fetcher) {
            if (options_.no_network) return net::make_offline_fetcher(std::move(fetcher));
            return make_late_fetcher(std::move(fetcher), in_.up_to(configuration_.start_jitter), in_.wait,
                                     in_.observer);
        });
    return *fetcher_;
}

// A device that is missing or fails to read is waited for, never guessed about (invariant 10).
Result<volume::Volume> Boot::wait_for_volume(block::Access access) {
    const steady_clock::time_point deadline = steady_clock::now() + configuration_.device_timeout;
    bool said = false;
    for (;;) {
        Result<volume::Volume> volume =
            volume::Volume::open({configuration_.data, configuration_.log}, access, in_.trust);
        if (volume || !may_appear(volume.error().kind)) return volume;
        if (steady_clock::now() >= deadline) return missing(volume.error());
        if (!said) in_.observer.event("waiting for devices: " + volume.error().message);
        said = true;
        if (Result<void> waited = in_.wait(poll_interval); !waited) return waited.error();
    }
}

// `error` with the advice for the first device that does not exist.
Error Boot::missing(const Error& error) const {
    for (const auto& [device, type] : {std::pair(configuration_.data, WRITELOG_GPT_TYPE_DATA),
                                       std::pair(configuration_.log, WRITELOG_GPT_TYPE_LOG)}) {
        const Result<std::string> path = block::resolve(device);
        if (!path && path.error().kind == Failure::disk)
            return {error.kind, error.message + label_advice(device, type)};
    }
    return error;
}

// What becomes of a thaw, which is said aloud.
Thawing Boot::look_at_thaw(volume::Volume& volume) {
    const volume::VolumeFacts facts = volume.facts();
    // A clock that has lost its time is not believed to be earlier than what this machine has seen.
    const store::KnownChannels known = facts.thaw ? volume.known_channels() : store::KnownChannels();
    const std::uint64_t seen = known.last() ? known.last()->issued : 0;
    const Thawing thaw = decide_thaw(facts, configuration_.allow_thaw, std::max(in_.date(), seen));
    if (thaw != Thawing::none) in_.observer.event(thaw_text(thaw, *facts.thaw, facts.marked));
    return thaw;
}

// The first look, before anything is held or written.
Result<Decision> Boot::look_at(volume::Volume& volume) {
    const volume::VolumeFacts facts = volume.facts();
    const Decision decision = decide(facts, {options_.skip_restore, configuration_.allow_off},
                                     configuration_.trust, look_at_thaw(volume));
    if (decision.thaw == Thawing::kept) return decision;
    switch (decision.off) {
        case OffArgument::not_given:
            break;
        case OffArgument::obeyed:
            in_.observer.event("regild=off: starting WITHOUT restoring; " +
                               std::to_string(facts.marked.count()) +
                               " marked blocks stay as the last session left them, writes are marked on");
            return decision;
        case OffArgument::not_allowed:
            in_.observer.event("regild=off is IGNORED: the configuration does not allow it");
            break;
        case OffArgument::not_complete:
            in_.observer.event(
                "regild=off is IGNORED: the volume is not completely restored, so it cannot be used");
            break;
    }
    if (decision.work == Work::none) {
        in_.observer.event("clean: no block is marked");
    } else if (decision.work == Work::provision) {
        if (Result<void> r = volume.check_may_format(configuration_.adopt); !r)
            return r.error().context(volume.unusable_reason());
        in_.observer.event(volume.unusable_reason() + ": provisioning");
    } else {
        in_.observer.event(volume::state_text(facts));
    }
    if (decision.hashes_all && !course_.compares_all)
        in_.observer.event("\"trust\" is \"hash\": each block is read and hashed");
    const bool enough =
        decision.work == Work::provision ? may_ask_first() : may_ask_some() || !configuration_.cache.empty();
    if (decision.needs_network && !enough)
        return Error{Failure::network, "the network is needed to restore the volume"};
    if (!may_ask_first() && configuration_.update == format::UpdatePolicy::boot &&
        !(volume.usable_log() && volume::is_on_trial(volume.record())))
        return Error{Failure::network, "the network is needed to ask for a newer version"};
    return decision;
}

Result<store::Source> Boot::source_for(volume::Volume& volume, Work work) {
    const Result<net::Url> url = net::parse_document_url(configuration_.source);
    if (!url) return url.error();
    if (work != Work::provision) return store::installed_source(*url, volume.record().manifest);
    in_.observer.event("asking " + url->shown());
    Result<store::Source> source =
        with_patience([&] { return store::offered_source(fetcher(), *url, in_.trust); });
    if (source) report_.document = source->document;
    return source;
}

Result<void> Boot::take_back(volume::Volume& volume, const Error& why) {
    const format::LogGeometry held = volume.log().geometry();
    Result<std::optional<store::Source>> source = versions_.take_back(volume, why);
    if (!source) return source.error();
    taken_back_ = true;
    if (course_.version_before == volume.record().image_version) course_.version_before = 0;
    if (volume.log().geometry() != held) return {};
    if (*source) return make_golden(volume, **source);
    report_.outcome = BootOutcome::clean;
    return {};
}

// Without end, if the policy says so, but for a version from which there is a way back.
Result<void> Boot::restore(volume::Restore& restore, volume::Volume& volume) {
    if (volume.record().untouched) {
        Result<void> done = restore.attempt();
        if (done || volume.record().untouched) return done;
    }
    return with_patience([&] { return restore.attempt(); });
}

// A boot goes on without those that are no good.
void Boot::open_nearby() {
    const auto go_on = [this](const Error& why, const store::NearbyKind& kind) -> Result<void> {
        in_.observer.event(why.message + ": going on without a " + kind.name);
        return {};
    };
    if (Result<volume::OpenNearby> opened = volume::open_nearby(configuration_, go_on))
        nearby_ = *std::move(opened);
    if (const store::Cache* cache = nearby_.devices().cache; cache && cache->is_new())
        in_.observer.event("the cache is begun anew: it held none that is valid");
}

Result<void> Boot::make_golden(volume::Volume& volume, const store::Source& source) {
    const Blocks marked = volume.log().bitmap().marked();
    if (marked > Blocks(0) && may_ask_some())
        in_.observer.event(
            std::string(nearby_.any() ? "what no local device has is fetched from " : "fetching from ") +
            source.data_url.shown());
    volume::Restore restore({volume.log(), volume.data()}, source, fetcher(), in_.observer, in_.stop,
                            nearby_.devices(), {most_to_fetch(), configuration_.read_back});
    Result<void> done = this->restore(restore, volume);
    if (const store::Cache* cache = nearby_.devices().cache) volume::tell_of_cache(*cache, in_.observer);
    report_.restore = restore.report();
    return done;
}

// As long as the record says golden no block was written by this boot or by one before it (invariant 9).
Result<void> Boot::start_unrestored(volume::Volume& volume, const Error& error) {
    if (options_.no_network || !is_offline(error.kind)) return error;
    format::ImageRecord record = volume.record();
    const format::OfflineRules& rules = configuration_.offline;
    switch (decide_unrestored(volume.facts(), record.unrestored_boots, rules)) {
        case Unrestored::start:
            break;
        case Unrestored::not_allowed:
            return error;
        case Unrestored::not_complete:
            return Error{error.kind, error.message +
                                         ": the volume is not started, because it is not "
                                         "completely restored"};
        case Unrestored::too_often:
            return Error{error.kind, error.message +
                                         ": the volume is not started, because the boots in a row without "
                                         "a restore are " +
                                         std::to_string(record.unrestored_boots) +
                                         ", as many as \"offline_boots\" allows"};
    }
    record.unrestored_boots += 1;
    if (Result<void> counted = volume.log().write_record(record); !counted) return counted;
    in_.observer.event(error.message);
    in_.observer.event("offline: starting WITHOUT restoring, time " +
                       std::to_string(record.unrestored_boots) + " of at most " +
                       std::to_string(rules.most_boots) + " in a row; " +
                       std::to_string(volume.facts().marked.count()) +
                       " marked blocks stay as the last session left them, writes are marked on");
    say_owners_message();
    report_.outcome = BootOutcome::unrestored;
    return {};
}

Error Boot::give_up(const Error& error) {
    if (!is_offline(error.kind)) return error;
    if (options_.no_network) return error.as(Failure::network);
    say_owners_message();
    const std::optional<seconds>& delay = configuration_.offline.reboot;
    if (!delay) return error;
    in_.observer.event(error.message + "; the machine starts anew in " + std::to_string(delay->count()) +
                       " s");
    if (Result<void> waited = in_.wait(*delay); !waited) return waited.error();
    return error.as(Failure::reboot);
}

Result<bool> Boot::attempt() {
    nearby_ = {};
    const block::Access look_access = options_.no_map ? block::Access::exclusive : block::Access::read;
    Result<volume::Volume> opened = wait_for_volume(look_access);
    if (!opened) return opened.error();
    volume::Volume& volume = *opened;
    const Result<Decision> decision = look_at(volume);
    if (!decision) return decision.error();
    report_.outcome = outcome_of(*decision);
    const UpdateFrom from = update_from(*decision, configuration_.update);
    const bool updates = !taken_back_ && (from == UpdateFrom::the_source
                                              ? may_ask_first()
                                              : from == UpdateFrom::the_log && Versions::has_staged(volume));
    if ((decision->work != Work::none || updates) && !in_.trust.has_keys())
        in_.observer.event("the configuration names no keys: what the source says is believed unsigned");

    std::optional<store::Source> source;
    if (decision->work != Work::none) {
        Result<store::Source> found = source_for(volume, decision->work);
        if (!found) return found.error();
        source = *std::move(found);
    }
    const bool to_format = decision->work == Work::provision;
    if (to_format) {
        if (Result<void> r = volume.check_fits(source->manifest); !r) return r.error();
    }
    const format::LogGeometry geometry = to_format ? source->manifest.log_geometry() : volume.layout();

    // From here until the volume is mapped the devices are ours (invariant 5).
    std::unique_ptr<dm::Mapping> mapping;
    if (!options_.no_map) {
        Result<HeldVolume> holding = hold(in_.mapper, configuration_.name, volume, geometry,
                                          {.allow_discards = configuration_.allow_discards});
        if (!holding) return holding.error();
        mapping = std::move(holding->mapping);
        volume = std::move(holding->volume);
    }

    if (to_format) {
        const volume::FormatRules rules{configuration_.adopt, configuration_.allow_downgrade};
        if (Result<void> r = volume.format(*source, rules); !r) return r.error();
    } else if (Result<void> r = volume.repair(); !r) {
        return r.error();
    }
    if (decision->thaw == Thawing::over) {
        if (Result<bool> frozen = volume::freeze(volume.log()); !frozen) return frozen.error();
    }
    if (decision->hashes_all && !course_.compares_all) {
        if (Result<volume::Update> r = volume::mark_all_unknown(volume.log()); !r) return r.error();
        course_.compares_all = true;
    }
    if (source || updates) open_nearby();
    Result<void> golden;
    if (source && volume.facts().trial_over) {
        fetcher().allow(most_to_fetch());
        golden = with_patience([&] { return versions_.leave_trial(volume, source); });
    } else if (updates) {
        if (Result<void> looked = versions_.look_for_update(volume, source); !looked) return looked.error();
    }
    if (course_.version_before == 0) course_.version_before = versions_.left();
    versions_.warn_of_age(volume);
    if (golden && volume.log().geometry() != geometry) {
        report_.document = source->document;
        return false;
    }
    if (source && golden) {
        if (Result<void> kept = versions_.keep_way_back(volume, *source); !kept) return kept.error();
        golden = make_golden(volume, *source);
        if (!golden && volume.record().untouched && is_offline(golden.error().kind))
            golden = take_back(volume, golden.error());
        else if (golden)
            versions_.tell_of_way_back();
    }
    if (golden && volume.log().geometry() != geometry) return false;
    if (!golden)
        if (Result<void> r = start_unrestored(volume, golden.error()); !r) return r.error();
    // Where the way back needs the network, too, the boot that has it tries once more.
    if (taken_back_)
        if (Result<void> given_up = Versions::give_up_staged(volume); !given_up) return given_up.error();
    report_.version_before = course_.version_before;
    if (versions_.has_installed()) {
        if (!source->document.empty()) report_.document = source->document;
        if (report_.outcome == BootOutcome::clean) report_.outcome = BootOutcome::restored;
    }
    // A log that was laid out anew says so of a disk that is to be compared.
    if (report_.outcome == BootOutcome::provisioned && (course_.version_before != 0 || taken_back_))
        report_.outcome = BootOutcome::restored;
    report_.image = volume.record().image;
    report_.version = volume.record().image_version;
    report_.block_size = volume.log().geometry().block_size();
    report_.blocks = volume.log().geometry().blocks();
    if (fetcher_) {
        report_.restore.bytes_fetched = fetcher_->totals().received;
        report_.restore.requests = fetcher_->totals().requests;
    }
    if (mapping) {
        if (Result<void> counted = volume::count_boot(volume.log()); !counted) return counted.error();
        if (decision->thaw == Thawing::kept)
            if (Result<void> counted = volume::count_thawed_boot(volume.log()); !counted)
                return counted.error();
        if (configuration_.allow_thaw) report_.thaw = volume.record().thaw;
        if (Result<void> r = activate(*mapping, volume); !r) return r.error();
        report_.mapped = mapping->path();
        in_.observer.event("mapped " + volume.data().name() + " as " + report_.mapped);
    }
    return true;
}

}  // namespace

const char* to_string(BootOutcome outcome) {
    switch (outcome) {
        case BootOutcome::clean:
            return "clean";
        case BootOutcome::provisioned:
            return "provisioned";
        case BootOutcome::restored:
            return "restored";
        case BootOutcome::skipped:
            return "skipped";
        case BootOutcome::thawed:
            return "thawed";
        case BootOutcome::unrestored:
            return "unrestored";
    }
    return "";
}

milliseconds random_delay(milliseconds longest) {
    std::random_device random;
    return milliseconds(std::uniform_int_distribution<milliseconds::rep>(0, longest.count())(random));
}

Wait patient_wait(const StopFlag& stop) {
    return [&stop](milliseconds duration) -> Result<void> {
        const steady_clock::time_point end = steady_clock::now() + duration;
        while (steady_clock::now() < end) {
            if (stop.requested()) return Error{Failure::interrupted, "interrupted; run it again to go on"};
            std::this_thread::sleep_for(poll_interval);
        }
        return {};
    };
}

Result<BootReport> boot(const format::Configuration& configuration, const BootOptions& options,
                        const Surroundings& surroundings, Course* course) {
    Course own;
    Boot boot(configuration, options, surroundings, course ? *course : own);
    Result<BootReport> report = boot.run();
    if (!report) return boot.give_up(report.error());
    return report;
}

}  // namespace regild::boot
