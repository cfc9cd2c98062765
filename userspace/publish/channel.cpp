// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/channel.hpp"

#include <algorithm>

#include "base/replace_file.hpp"
#include "base/utc.hpp"
#include "publish/documents.hpp"

namespace regild::publish {
namespace {

constexpr mode_t channel_mode = 0644;

}  // namespace

Result<void> check_channel_name(const std::string& name) {
    if (!format::is_valid_name(name))
        return Error{Failure::usage, "'" + name +
                                         "' cannot be the name of a channel: use small letters, digits and "
                                         "._-, beginning with a letter or digit, at most 63"};
    // <channel>.json would lie where a reader looks for a manifest.
    if (name == "manifest")
        return Error{Failure::usage, "'manifest' cannot be the name of a channel: choose another one"};
    return {};
}

Result<NextChannel> next_channel(const ImageFolder& folder, const std::string& image, const std::string& name,
                                 std::uint64_t version) {
    NextChannel next{folder.path() / (name + ".json"), {image, version, name, 1, utc_now(), 100, {}, {}}};
    if (!std::filesystem::exists(next.path)) return next;
    const Result<StoredChannel> stored = read_channel(next.path, image);
    if (!stored) return stored.error();
    const format::Channel& current = stored->channel;
    if (current.version > version)
        return Error{Failure::refused, "channel " + next.path.string() + " is at version " +
                                           std::to_string(current.version) +
                                           " already and never goes back to " + std::to_string(version)};
    if (current.serial == format::max_version)
        return Error{Failure::refused, "channel " + next.path.string() + " has used up its serial numbers"};
    next.channel.serial = current.serial + 1;
    next.channel.issued = std::max(next.channel.issued, current.issued);
    return next;
}

Result<void> check_size(const format::Channel& channel) {
    const std::size_t size = format::serialize_channel(channel).size();
    if (size <= format::max_channel_size) return {};
    return Error{Failure::usage, "the channel would have " + std::to_string(size) +
                                     " bytes, and readers take " + std::to_string(format::max_channel_size) +
                                     " at most: hold back fewer tags, or shorter ones"};
}

Result<void> write_channel(const NextChannel& next) {
    return replace_file(next.path, format::serialize_channel(next.channel), channel_mode);
}

Result<NextChannel> promote(const PromoteRequest& request) {
    if (Result<void> valid = check_channel_name(request.channel); !valid) return valid.error();
    if (request.rollout.percent < 1 || request.rollout.percent > 100)
        return Error{Failure::usage, "a share is 1 to 100 percent"};
    if (request.rollout.hold_back.size() > format::max_tags ||
        !std::ranges::all_of(request.rollout.hold_back, format::is_valid_name))
        return Error{Failure::usage, "tags are at most 32 names of small letters, digits and ._-"};
    if (!format::is_valid_name(request.image))
        return Error{Failure::usage, "'" + request.image + "' cannot be the name of an image"};
    const std::filesystem::path path = request.store / request.image;
    const std::filesystem::path manifest = path / std::to_string(request.version) / manifest_name;
    const Error is_gone{Failure::refused, "version " + std::to_string(request.version) + " of " +
                                              request.image + " is not in the store: there is no " +
                                              manifest.string()};
    // Before the lock, which would make the folder; and under it, when no gc removes the version any more.
    if (!std::filesystem::exists(manifest)) return is_gone;
    const Result<ImageFolder> folder = ImageFolder::open(request.store, request.image);
    if (!folder) return folder.error();
    if (!std::filesystem::exists(manifest)) return is_gone;
    if (const auto stored = read_manifest(path, request.image, request.version); !stored)
        return stored.error();
    Result<NextChannel> next = next_channel(*folder, request.image, request.channel, request.version);
    if (!next) return next;
    next->channel.percent = request.rollout.percent;
    // The same for each share of one version.
    next->channel.salt = request.image + "/" + std::to_string(request.version);
    next->channel.hold_back = request.rollout.hold_back;
    if (Result<void> fits = check_size(next->channel); !fits) return fits.error();
    if (Result<void> written = write_channel(*next); !written) return written.error();
    return next;
}

}  // namespace regild::publish
