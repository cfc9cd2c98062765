// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/boot.hpp"

#include <algorithm>
#include <thread>

#include "boot/hold.hpp"

namespace regild::boot {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr milliseconds poll_interval{100};
constexpr seconds first_retry_delay{2};
constexpr seconds longest_retry_delay{30};

Error interrupted() {
    return {Failure::interrupted, "interrupted; run it again to go on"};
}

Result<void> wait_for(milliseconds duration, const StopFlag& stop) {
    const steady_clock::time_point end = steady_clock::now() + duration;
    while (steady_clock::now() < end) {
        if (stop.requested()) return interrupted();
        std::this_thread::sleep_for(poll_interval);
    }
    return {};
}

// One run of `regild boot`: what the steps share.
class Boot {
  public:
    Boot(const format::Configuration& configuration, const BootOptions& options,
         const MakeFetcher& make_fetcher, dm::Mapper& mapper, Observer& observer, const StopFlag& stop)
        : configuration_(configuration),
          options_(options),
          make_fetcher_(make_fetcher),
          mapper_(mapper),
          observer_(observer),
          stop_(stop) {}

    Result<BootReport> run();

  private:
    // What the first look, before anything is held or written, found to be done.
    struct Decision {
        BootOutcome outcome;
        std::optional<store::Source> source;  // unless clean or skipped
    };

    Result<volume::Volume> wait_for_volume(block::Access access);
    Result<Decision> decide(volume::Volume& volume);
    Result<void> make_golden(volume::Volume& volume, const store::Source& source);

    net::Fetcher& fetcher() {
        if (!fetcher_) fetcher_ = make_fetcher_();
        return *fetcher_;
    }
    // Calls `attempt` until it succeeds or fails for another reason than the network, as the policy says.
    template <class Attempt>
    auto with_offline_policy(Attempt attempt) -> decltype(attempt());

    const format::Configuration& configuration_;
    const BootOptions& options_;
    const MakeFetcher& make_fetcher_;
    dm::Mapper& mapper_;
    Observer& observer_;
    const StopFlag& stop_;
    std::unique_ptr<net::Fetcher> fetcher_;
    BootReport report_;
};

template <class Attempt>
auto Boot::with_offline_policy(Attempt attempt) -> decltype(attempt()) {
    for (seconds delay = first_retry_delay;; delay = std::min(2 * delay, longest_retry_delay)) {
        auto result = attempt();
        if (result.ok() || result.error().kind != Failure::network ||
            configuration_.offline == format::OfflinePolicy::halt) {
            return result;
        }
        observer_.event(result.error().message + "; trying again in " + std::to_string(delay.count()) + " s");
        if (Result<void> waited = wait_for(delay, stop_); !waited) return waited.error();
    }
}

// A device that is missing or fails to read is waited for, never guessed about (invariant 10).
Result<volume::Volume> Boot::wait_for_volume(block::Access access) {
    const steady_clock::time_point deadline = steady_clock::now() + configuration_.device_timeout;
    bool said = false;
    for (;;) {
        Result<volume::Volume> volume =
            volume::Volume::open({configuration_.data, configuration_.log}, access);
        if (volume || volume.error().kind != Failure::failed) return volume;
        if (steady_clock::now() >= deadline) return volume.error();
        if (!said) observer_.event("waiting for devices: " + volume.error().message);
        said = true;
        if (Result<void> waited = wait_for(poll_interval, stop_); !waited) return waited.error();
    }
}

Result<Boot::Decision> Boot::decide(volume::Volume& volume) {
    const bool half_done = volume.has_usable_log() && volume.record().state != format::VolumeState::golden;
    const Blocks marked = volume.has_usable_log() ? volume.log().bitmap().marked() : Blocks(0);
    if (options_.skip_restore && !configuration_.allow_off) {
        observer_.event("regild=off is IGNORED: the configuration does not allow it");
    } else if (options_.skip_restore && (!volume.has_usable_log() || half_done)) {
        observer_.event("regild=off is IGNORED: the volume is not completely restored, so it cannot be used");
    } else if (options_.skip_restore) {
        observer_.event("regild=off: starting WITHOUT restoring; " + std::to_string(marked.count()) +
                        " marked blocks stay as the last session left them, writes are marked on");
        return Decision{BootOutcome::skipped, std::nullopt};
    }
    if (volume.has_usable_log() && !half_done && marked == Blocks(0)) {
        observer_.event("clean: no block is marked");
        return Decision{BootOutcome::clean, std::nullopt};
    }

    if (volume.has_usable_log()) {
        observer_.event("marked blocks: " + std::to_string(marked.count()) + ", state " +
                        to_string(volume.record().state) + ": restoring");
    } else {
        if (Result<void> r = volume.check_may_format(configuration_.adopt); !r)
            return r.error().context(volume.unusable_reason());
        observer_.event(volume.unusable_reason() + ": provisioning");
    }
    // Cut off between the last clear and the record, a restore has nothing left to fetch.
    const bool needs_network = !volume.has_usable_log() || marked > Blocks(0);
    if (needs_network && options_.no_network)
        return Error{Failure::network, "the network is needed to restore the volume"};
    if (needs_network) observer_.event("asking " + net::without_credentials(configuration_.source));

    if (!volume.has_usable_log()) {
        Result<store::Source> source =
            with_offline_policy([&] { return store::offered_source(fetcher(), configuration_.source); });
        if (!source) return source.error();
        return Decision{BootOutcome::provisioned, *std::move(source)};
    }
    Result<store::Source> source = store::installed_source(configuration_.source, volume.record().manifest);
    if (!source) return source.error();
    return Decision{volume.record().state == format::VolumeState::provisioning ? BootOutcome::provisioned
                                                                               : BootOutcome::restored,
                    *std::move(source)};
}

Result<void> Boot::make_golden(volume::Volume& volume, const store::Source& source) {
    const Blocks marked = volume.log().bitmap().marked();
    Result<volume::RestoreReport> restored = with_offline_policy([&] {
        return volume::restore({volume.log(), volume.data()}, source, fetcher(), observer_, stop_);
    });
    if (!restored) return restored.error();
    report_.restore = *restored;
    report_.restore.marked = marked;
    return {};
}

Result<BootReport> Boot::run() {
    const block::Access look_access = options_.no_map ? block::Access::exclusive : block::Access::read;
    Result<volume::Volume> opened = wait_for_volume(look_access);
    if (!opened) return opened.error();
    volume::Volume& volume = *opened;
    Result<Decision> decision = decide(volume);
    if (!decision) return decision.error();
    report_.outcome = decision->outcome;

    const bool to_format = !volume.has_usable_log();
    if (to_format) {
        if (Result<void> r = volume.check_fits(decision->source->manifest); !r) return r.error();
    }
    Result<format::LogGeometry> geometry =
        to_format ? format::LogGeometry::make(decision->source->manifest.size,
                                              decision->source->manifest.block_size)
                  : Result<format::LogGeometry>(volume.log().geometry());
    if (!geometry) return geometry.error();

    // From here until the volume is mapped the devices are ours (invariant 5).
    std::unique_ptr<dm::Mapping> mapping;
    if (!options_.no_map) {
        Result<HeldVolume> holding =
            hold(mapper_, configuration_.name, volume, *geometry, configuration_.allow_discards);
        if (!holding) return holding.error();
        mapping = std::move(holding->mapping);
        volume = std::move(holding->volume);
    }

    if (to_format) {
        if (Result<void> r = volume.format(*decision->source, configuration_.adopt); !r) return r.error();
    } else if (Result<void> r = volume.log().repair(); !r) {
        return r.error();
    }
    if (decision->source) {
        if (Result<void> r = make_golden(volume, *decision->source); !r) return r.error();
    }
    if (Result<void> r = volume.check_mappable(); !r) return r.error();

    report_.image = volume.record().image;
    report_.version = volume.record().image_version;
    report_.block_size = volume.log().geometry().block_size();
    report_.blocks = volume.log().geometry().blocks();
    if (fetcher_) {
        report_.restore.bytes_fetched = fetcher_->totals().received;
        report_.restore.requests = fetcher_->totals().requests;
    }
    if (mapping) {
        if (Result<void> r = mapping->activate(); !r) return r.error();
        report_.mapped = mapping->path();
        observer_.event("mapped " + volume.data().name() + " as " + report_.mapped);
    }
    return report_;
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
    }
    return "";
}

Result<BootReport> boot(const format::Configuration& configuration, const BootOptions& options,
                        const MakeFetcher& make_fetcher, dm::Mapper& mapper, Observer& observer,
                        const StopFlag& stop) {
    return Boot(configuration, options, make_fetcher, mapper, observer, stop).run();
}

}  // namespace regild::boot
