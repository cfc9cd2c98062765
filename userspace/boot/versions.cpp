// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/versions.hpp"

#include <utility>

#include "volume/layout.hpp"
#include "volume/trial.hpp"

namespace regild::boot {
namespace {

std::string text_of(std::uint64_t version) {
    return "version " + std::to_string(version);
}

}  // namespace

Result<store::Source> Versions::believed(volume::Volume& volume, const format::SignedManifest& version) {
    const Result<net::Url> url = net::parse_document_url(configuration_.source);
    if (!url) return url.error();
    if (Result<void> checked = trust_.check(version.manifest, version.signature); !checked)
        return checked.error();
    Result<store::Source> source = store::installed_source(*url, version.manifest);
    if (!source) return source.error().as(Failure::source);
    if (source->manifest.image != volume.record().image)
        return Error{Failure::source, "it is of image " + source->manifest.image};
    source->signature = version.signature;
    return source;
}

Result<std::optional<store::Source>> Versions::newer_version(volume::Volume& volume) {
    const Result<net::Url> url = net::parse_document_url(configuration_.source);
    if (!url) return url.error();
    Result<std::optional<store::Source>> newer =
        volume::newer_version(volume.log(), trees_().fetcher, *url, {trust_, configuration_.tags}, observer_);
    const std::uint64_t rejected = volume.record().rejected_version;
    if (newer && !*newer && rejected != 0)
        observer_.event(text_of(rejected) + " was not confirmed when it was tried, and is not tried again");
    return newer;
}

// Of a volume for which one is staged. What is no good, or not newer, is not looked at again.
Result<std::optional<store::Source>> Versions::staged_version(volume::Volume& volume) {
    format::ImageRecord record = volume.record();
    Result<store::Source> staged = believed(volume, record.staged);
    std::string why;
    if (!staged)
        why = staged.error().message;
    else if (staged->manifest.version == record.rejected_version)
        why = text_of(record.rejected_version) + " was not confirmed when it was tried";
    else if (staged->manifest.version <= record.image_version)
        why = text_of(staged->manifest.version) + " is not newer";
    else
        return std::optional(*std::move(staged));
    observer_.event("what was staged is not installed: " + why);
    record.staged = {};
    if (Result<void> written = volume.log().write_record(std::move(record)); !written) return written.error();
    return std::optional<store::Source>();
}

// Whether there is a trial to be waited for: one with no way back would never end.
Result<bool> Versions::stays_on_trial(volume::Volume& volume) {
    if (!volume::is_on_trial(volume.record())) return false;
    const Result<std::optional<store::Source>> before = version_before(volume);
    if (!before) return before.error();
    if (*before)
        observer_.event(text_of(volume.record().image_version) +
                        " is on trial: no newer one is installed until it is confirmed or gone back from");
    return before->has_value();
}

Result<bool> Versions::install_newer(volume::Volume& volume, std::optional<store::Source>& source) {
    const bool is_staged = configuration_.update == format::UpdatePolicy::staged;
    Result<std::optional<store::Source>> newer = is_staged ? staged_version(volume) : newer_version(volume);
    if (!newer) return newer.error();
    if (!*newer) return false;
    if (Result<void> fits = volume.check_fits((*newer)->manifest); !fits) return fits.error();
    const Result<net::Url> url = net::parse_document_url(configuration_.source);
    if (!url) return url.error();
    const Result<store::Source> installed = store::installed_source(*url, volume.record().manifest);
    if (!installed) return installed.error();
    Before before{volume.record(), volume::is_clean(volume.facts())};
    const Result<volume::Update> update =
        volume::update(volume.log(), *installed, **newer, configuration_.trial_boots, trees_());
    if (!update) return update.error();
    observer_.event("installing " + text_of((*newer)->manifest.version) + " in place of " +
                    std::to_string(before.record.image_version) + ": " +
                    std::to_string(update->marked.count()) + " blocks differ");
    // To go back with all marks that there are now.
    before.record.unknown = before.record.unknown || (update->all_unknown && !before.was_clean);
    installed_over_ = std::move(before);
    source = std::move(**newer);
    return true;
}

Result<void> Versions::look_for_update(volume::Volume& volume, std::optional<store::Source>& source) {
    const Result<bool> on_trial = stays_on_trial(volume);
    if (!on_trial) return on_trial.error();
    const Result<bool> looked = *on_trial ? false : install_newer(volume, source);
    if (looked) return {};
    if (looked.error().kind == Failure::interrupted || looked.error().kind == Failure::disk)
        return looked.error();
    observer_.event(looked.error().message + ": going on with " + text_of(volume.record().image_version));
    return {};
}

// Also where nothing was offered, or nobody was asked: who keeps a machine at its version would give nothing.
void Versions::warn_of_age(volume::Volume& volume) const {
    if (configuration_.update == format::UpdatePolicy::never) return;
    const store::KnownChannels known = volume.known_channels();
    if (!known.last()) return;
    if (Result<void> fresh = trust_.check_age(known.last()->issued); !fresh)
        observer_.event("of those that this machine has seen " + fresh.error().message);
}

// Of a version before that is not believed the way back says so.
Result<void> Versions::keep_way_back(volume::Volume& volume, const store::Source& source) {
    if (!volume::will_be_on_trial(volume.record())) return {};
    const volume::TreeSources trees = trees_();
    if (!trees.cache) return {};
    const Result<store::Source> before = believed(volume, volume.record().before);
    if (!before) return {};
    Result<std::optional<volume::WayBack>> kept =
        volume::keep_way_back(*before, source, volume.data(), trees, stop_);
    if (!kept) return kept.error();
    way_back_ = *std::move(kept);
    return {};
}

void Versions::tell_of_way_back() {
    if (way_back_) volume::tell_of_way_back(*way_back_, trees_());
}

Result<std::optional<store::Source>> Versions::version_before(volume::Volume& volume) {
    Result<store::Source> before = believed(volume, volume.record().before);
    if (before) return std::optional(*std::move(before));
    observer_.event("the version before is not believed, and not gone back to: " + before.error().message);
    if (Result<void> ended = volume::end_trial(volume.log()); !ended) return ended.error();
    return std::optional<store::Source>();
}

Result<void> Versions::leave_trial(volume::Volume& volume, std::optional<store::Source>& source) {
    Result<std::optional<store::Source>> before = version_before(volume);
    if (!before) return before.error();
    if (!*before) return {};
    const std::uint64_t rejected = volume.record().image_version;
    const Result<volume::Update> back = volume::go_back(volume.log(), *source, **before, trees_());
    if (!back) {
        const Error error = back.error().context("the way back to " + text_of((*before)->manifest.version));
        if (error.kind != Failure::source || configuration_.update == format::UpdatePolicy::never)
            return error;
        observer_.event(error.message + ": looking for a newer version in place of it");
        const Result<bool> newer = install_newer(volume, source);
        if (!newer) observer_.event(newer.error().message);
        return newer && *newer ? Result<void>() : error;
    }
    observer_.event(text_of(rejected) + " was not confirmed: going back to " +
                    text_of((*before)->manifest.version));
    rejected_ = rejected;
    source = std::move(**before);
    return {};
}

Result<void> Versions::give_up_staged(volume::Volume& volume) {
    format::ImageRecord record = volume.record();
    if (!record.staged) return {};
    record.staged = {};
    return volume.log().write_record(std::move(record));
}

// As it was when this boot found it, but for marks of a volume that was not clean and had another layout.
Result<void> Versions::put_back(volume::Volume& volume, const Before& before) {
    log::WriteLog& log = volume.log();
    const auto clear_all = [&log]() -> Result<void> {
        const BlockRange all{BlockIndex(0), log.geometry().blocks()};
        return log.bitmap().clear({&all, 1});
    };
    if (volume::layout_for(before.record) == log.geometry()) {
        if (Result<void> written = log.write_record(before.record); !written) return written;
        return before.was_clean ? clear_all() : Result<void>();
    }
    if (Result<void> laid_out = volume::lay_out(log, before.record); !laid_out) return laid_out;
    // No block was written: what the record said is so, but for which blocks a session touched. In this order
    // a power cut leaves nothing to be fetched for nothing.
    if (before.was_clean)
        if (Result<void> cleared = clear_all(); !cleared) return cleared;
    format::ImageRecord record = before.record;
    record.unknown = record.unknown || !before.was_clean;
    return log.write_record(std::move(record));
}

// The marks are enough for both versions.
Result<std::optional<store::Source>> Versions::take_back(volume::Volume& volume, const Error& why) {
    const Result<net::Url> url = net::parse_document_url(configuration_.source);
    if (!url) return url.error();
    const std::optional<Before> before = std::exchange(installed_over_, std::nullopt);
    if (before) {
        if (Result<void> put = put_back(volume, *before); !put) return put.error();
    } else {
        const Result<store::Source> installed = store::installed_source(*url, volume.record().manifest);
        if (!installed) return installed.error();
        const Result<std::optional<store::Source>> source = version_before(volume);
        if (!source) return source.error();
        if (!*source) return why;
        const Result<volume::Update> back = volume::go_back(volume.log(), *installed, **source, trees_());
        if (!back) return back.error();
    }
    observer_.event(why.message + ": going back to " + text_of(volume.record().image_version));
    if (before && before->was_clean) return std::optional<store::Source>();
    Result<store::Source> source = store::installed_source(*url, volume.record().manifest);
    if (!source) return source.error();
    return std::optional(*std::move(source));
}

}  // namespace regild::boot
