// SPDX-License-Identifier: GPL-2.0-or-later
// Which version a boot makes the volume hold: a newer one, or the one before where a trial has failed or a
// newer one cannot be had.
#pragma once

#include <functional>

#include "base/stop.hpp"
#include "format/configuration.hpp"
#include "volume/stage.hpp"
#include "volume/update.hpp"
#include "volume/volume.hpp"

namespace regild::boot {

class Versions {
  public:
    // `trees` is called when trees are to be read.
    using Trees = std::function<volume::TreeSources()>;
    // All must outlive it.
    Versions(const format::Configuration& configuration, const store::Trust& trust, Observer& observer,
             const StopFlag& stop, Trees trees)
        : configuration_(configuration),
          trust_(trust),
          observer_(observer),
          stop_(stop),
          trees_(std::move(trees)) {}

    // Whether a session has staged a version; of a volume with a usable log.
    static bool has_staged(volume::Volume& volume) { return bool(volume.record().staged); }
    // If the source offers a newer version, or a session has staged one, as the policy says, the volume holds
    // it from now on, and `source` is its. Where none can be had the boot goes on with the version that it
    // has, which is no error.
    Result<void> look_for_update(volume::Volume& volume, std::optional<store::Source>& source);
    // Says so if the channel that was believed last is too old by now.
    void warn_of_age(volume::Volume& volume) const;
    // Puts the way back from that version, of which `source` is, into the cache, if there is one and it is
    // wanted. Without it a boot goes on.
    Result<void> keep_way_back(volume::Volume& volume, const store::Source& source);
    // When it has been written: says whether the cache has the way back still.
    void tell_of_way_back();
    // The version on trial, of which `source` is, was not confirmed within its boots: the volume holds the
    // one before from now on, and `source` is its; unless that is not believed, which is no error. Where the
    // source does not have it any more a newer one takes its place, if there is one.
    Result<void> leave_trial(volume::Volume& volume, std::optional<store::Source>& source);
    // The way back from an untouched version, for that reason. Returns what is to be restored; nothing: the
    // volume is clean as it was.
    Result<std::optional<store::Source>> take_back(volume::Volume& volume, const Error& why);

    // What was staged is not tried again, as a boot has started another version in its place.
    static Result<void> give_up_staged(volume::Volume& volume);

    bool has_installed() const { return installed_over_.has_value(); }
    // The version in whose place this boot has put another one; 0: it has not.
    std::uint64_t left() const { return installed_over_ ? installed_over_->record.image_version : rejected_; }

  private:
    Result<bool> stays_on_trial(volume::Volume& volume);
    Result<std::optional<store::Source>> newer_version(volume::Volume& volume);
    Result<std::optional<store::Source>> staged_version(volume::Volume& volume);
    Result<std::optional<store::Source>> version_before(volume::Volume& volume);
    // Of a manifest in the record. Failure::source: it is not believed (invariant 11).
    Result<store::Source> believed(volume::Volume& volume, const format::SignedManifest& version);
    // Whether there was one.
    Result<bool> install_newer(volume::Volume& volume, std::optional<store::Source>& source);

    struct Before {
        format::ImageRecord record;
        bool was_clean = false;
    };
    static Result<void> put_back(volume::Volume& volume, const Before& before);

    const format::Configuration& configuration_;
    const store::Trust& trust_;
    Observer& observer_;
    const StopFlag& stop_;
    Trees trees_;
    std::optional<Before> installed_over_;
    std::uint64_t rejected_ = 0;
    std::optional<volume::WayBack> way_back_;  // that was put into the cache
};

}  // namespace regild::boot
