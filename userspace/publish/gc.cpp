// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/gc.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/replace_file.hpp"
#include "publish/documents.hpp"
#include "publish/folder.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view hidden_suffix = ".removed";

std::string hidden_name(std::uint64_t version) {
    return "." + std::to_string(version) + std::string(hidden_suffix);
}

std::optional<std::uint64_t> hidden_version(const std::string& name) {
    if (!name.starts_with('.') || !name.ends_with(hidden_suffix)) return std::nullopt;
    return version_of(name.substr(1, name.size() - 1 - hidden_suffix.size()));
}

Result<void> rename_to_free(const fs::path& from, const fs::path& to) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0)
        return errno_error("cannot rename " + from.string() + " to " + to.string());
    return sync_folder(from.parent_path());
}

Result<void> remove_folder(const fs::path& path) {
    std::error_code error;
    fs::remove_all(path, error);
    if (error) return Error{Failure::failed, "cannot remove " + path.string() + ": " + error.message()};
    return sync_folder(path.parent_path());
}

// On the disk; what cannot be read counts as nothing.
Bytes bytes_of(const fs::path& folder) {
    constexpr std::uint64_t stat_unit = 512;
    std::uint64_t units = 0;
    std::error_code error;
    for (auto entry = fs::recursive_directory_iterator(folder, error);
         !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
        struct stat status {};
        if (lstat(entry->path().c_str(), &status) == 0) units += static_cast<std::uint64_t>(status.st_blocks);
    }
    return Bytes(units * stat_unit);
}

// The channels of an image, which say what is needed.
class Channels {
  public:
    // Doubt about one channel ends it: it may name any version.
    static Result<Channels> read(const fs::path& folder, const std::string& image);
    // Why a version stays; nothing: no channel needs it.
    std::optional<GcReport::Kept> needing(std::uint64_t version) const;

  private:
    std::vector<format::Channel> channels_;  // named as their files are
};

Result<Channels> Channels::read(const fs::path& folder, const std::string& image) {
    const Result<std::vector<std::string>> names = names_in(folder);
    if (!names) return names.error();
    Channels all;
    for (const std::string& name : *names) {
        const std::optional<std::string> channel = channel_of(name);
        if (!channel) continue;
        const Result<StoredChannel> stored = read_channel(folder / name, image);
        if (!stored)
            return Error{Failure::refused, stored.error().message +
                                               ": mend it, or move it away if it is no channel; nothing is "
                                               "removed while it may name any version"};
        all.channels_.push_back(stored->channel);
        all.channels_.back().name = *channel;
    }
    return all;
}

std::optional<GcReport::Kept> Channels::needing(std::uint64_t version) const {
    GcReport::Kept kept{version};
    for (const format::Channel& channel : channels_) {
        if (channel.version == version) kept.channels.push_back(channel.name);
        const bool for_all = channel.percent == 100 && channel.hold_back.empty();
        if (!for_all && version < channel.version) kept.left_out_by.push_back(channel.name);
    }
    if (kept.channels.empty() && kept.left_out_by.empty()) return std::nullopt;
    return kept;
}

class Collector {
  public:
    Collector(fs::path folder, const GcRequest& request, Observer& observer, const StopFlag& stop)
        : folder_(std::move(folder)), request_(request), observer_(observer), stop_(stop) {}

    // What there is to do; touches nothing.
    Result<GcReport> survey() const;
    // Ends what was cut off and has nobody any more, for who has the lock. Returns what is gone.
    Result<std::vector<GcReport::Leftover>> finish_leftovers(ImageFolder& folder);
    // Removes the versions of the report; those that a channel needs by now are kept.
    Result<void> remove(GcReport& report);

  private:
    // Removes a version that is hidden. Not where a channel needs it: then it is back, and why is returned.
    Result<std::optional<GcReport::Kept>> finish(std::uint64_t version);

    const fs::path folder_;
    const GcRequest& request_;
    Observer& observer_;
    const StopFlag& stop_;
};

Result<GcReport> Collector::survey() const {
    const Result<Channels> channels = Channels::read(folder_, request_.image);
    if (!channels) return channels.error();
    const Result<std::vector<std::string>> names = names_in(folder_);
    if (!names) return names.error();
    GcReport report;
    std::vector<std::uint64_t> there;
    std::vector<std::uint64_t> whole;
    for (const std::string& name : *names) {
        if (is_partial(name) || hidden_version(name))
            report.leftovers.push_back({name, bytes_of(folder_ / name)});
        const std::optional<std::uint64_t> version = version_of(name);
        if (!version) continue;
        std::error_code error;
        if (fs::is_symlink(folder_ / name, error)) {
            report.left_alone.push_back({*version, "it is a symbolic link"});
        } else if (!fs::exists(folder_ / name / manifest_name, error)) {
            report.left_alone.push_back(
                {*version, std::string("it has no ") + manifest_name + ": somebody may be copying it"});
        } else {
            there.push_back(*version);
        }
        if (read_manifest(folder_, request_.image, *version)) whole.push_back(*version);
    }
    std::ranges::sort(there);
    std::ranges::sort(whole);
    std::ranges::sort(report.left_alone, {}, &GcReport::LeftAlone::version);
    // Damaged ones are none of the newest, and what is newer than a newest one stays in any case.
    const std::uint64_t oldest_kept = whole.size() < request_.keep ? 0 : whole[whole.size() - request_.keep];
    for (const std::uint64_t version : there) {
        if (const std::optional<GcReport::Kept> kept = channels->needing(version))
            report.kept.push_back(*kept);
        else if (version >= oldest_kept)
            report.kept.push_back({version});
        else
            report.versions.push_back({version, bytes_of(folder_ / std::to_string(version))});
    }
    return report;
}

Result<std::optional<GcReport::Kept>> Collector::finish(std::uint64_t version) {
    const fs::path shown = folder_ / std::to_string(version);
    const fs::path hidden = folder_ / hidden_name(version);
    const fs::path manifest = hidden / manifest_name;
    struct stat status {};
    const bool is_whole = lstat(manifest.c_str(), &status) == 0;
    if (!is_whole && errno != ENOENT) return errno_error("cannot read " + manifest.string());
    std::error_code error;
    // Without a manifest its removal has begun; where the number is taken it was published anew.
    if (is_whole && !fs::exists(shown, error)) {
        const Result<Channels> channels = Channels::read(folder_, request_.image);
        const std::optional<GcReport::Kept> kept = channels ? channels->needing(version) : std::nullopt;
        if (!channels || kept) {
            if (Result<void> back = rename_to_free(hidden, shown); !back) return back.error();
            if (!channels) return channels.error();
            observer_.event("version " + std::to_string(version) + " is needed by channel " +
                            (kept->channels.empty() ? kept->left_out_by : kept->channels).front() +
                            " by now: it stays");
            return kept;
        }
    }
    if (is_whole && unlink(manifest.c_str()) != 0) return errno_error("cannot remove " + manifest.string());
    if (Result<void> synced = sync_folder(hidden); !synced) return synced.error();
    if (Result<void> removed = remove_folder(hidden); !removed) return removed.error();
    return std::optional<GcReport::Kept>();
}

Result<std::vector<GcReport::Leftover>> Collector::finish_leftovers(ImageFolder& folder) {
    const Result<std::vector<std::string>> names = names_in(folder_);
    if (!names) return names.error();
    std::vector<GcReport::Leftover> gone;
    for (const std::string& name : *names) {
        const GcReport::Leftover leftover{name, bytes_of(folder_ / name)};
        if (is_partial(name)) gone.push_back(leftover);
        const std::optional<std::uint64_t> version = hidden_version(name);
        if (!version) continue;
        const Result<std::optional<GcReport::Kept>> kept = finish(*version);
        if (!kept) return kept.error();
        if (!*kept) gone.push_back(leftover);
    }
    if (Result<void> removed = folder.remove_leftovers(); !removed) return removed.error();
    return gone;
}

Result<void> Collector::remove(GcReport& report) {
    std::vector<GcReport::Version> gone;
    for (const GcReport::Version& version : report.versions) {
        if (stop_.requested())
            return Error{Failure::interrupted, "interrupted after " + std::to_string(gone.size()) + " of " +
                                                   std::to_string(report.versions.size()) +
                                                   " versions; run the same command again to go on"};
        const std::string number = std::to_string(version.version);
        if (Result<void> hidden = rename_to_free(folder_ / number, folder_ / hidden_name(version.version));
            !hidden)
            return hidden;
        const Result<std::optional<GcReport::Kept>> kept = finish(version.version);
        if (!kept) return kept.error();
        if (*kept)
            report.kept.push_back(**kept);
        else
            gone.push_back(version);
    }
    report.versions = std::move(gone);
    std::ranges::sort(report.kept, {}, &GcReport::Kept::version);
    return {};
}

}  // namespace

Bytes GcReport::bytes() const {
    Bytes sum;
    for (const Version& version : versions)
        sum += version.bytes;
    for (const Leftover& leftover : leftovers)
        sum += leftover.bytes;
    return sum;
}

Result<GcReport> gc(const GcRequest& request, Observer& observer, const StopFlag& stop) {
    if (!format::is_valid_name(request.image))
        return Error{Failure::usage, "'" + request.image + "' cannot be the name of an image"};
    if (request.keep == 0)
        return Error{Failure::usage, "at least the newest version stays, so that no number is used twice"};
    const fs::path path = request.store / request.image;
    std::error_code error;
    if (!fs::is_directory(path, error))
        return Error{Failure::usage, "there is no image " + request.image + " in " + request.store.string()};
    Collector collector(path, request, observer, stop);
    if (!request.remove) return collector.survey();

    Result<ImageFolder> folder = ImageFolder::open(request.store, request.image);
    if (!folder) return folder.error();
    // Before anything is touched, a channel that cannot be read ends it.
    if (const Result<GcReport> before = collector.survey(); !before) return before.error();
    Result<std::vector<GcReport::Leftover>> leftovers = collector.finish_leftovers(*folder);
    if (!leftovers) return leftovers.error();
    Result<GcReport> report = collector.survey();
    if (!report) return report;
    report->leftovers = *std::move(leftovers);
    if (Result<void> removed = collector.remove(*report); !removed) return removed.error();
    return report;
}

}  // namespace regild::publish
