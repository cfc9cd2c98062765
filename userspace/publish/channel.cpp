// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/channel.hpp"

#include <algorithm>

#include "base/read_file.hpp"
#include "base/replace_file.hpp"
#include "base/utc.hpp"

namespace regild::publish {
namespace {

constexpr mode_t channel_mode = 0644;

// Of a version that is there and is what its place says.
Result<void> check_version(const std::filesystem::path& folder, const PromoteRequest& request) {
    const std::filesystem::path path = folder / std::to_string(request.version) / "manifest.json";
    const std::string version = "version " + std::to_string(request.version) + " of " + request.image;
    if (!std::filesystem::exists(path))
        return Error{Failure::refused, version + " is not in the store: there is no " + path.string()};
    const Result<std::string> text = read_file(path, format::max_manifest_size + 1);
    if (!text) return text.error();
    const Result<format::Manifest> manifest = format::parse_manifest(*text);
    if (!manifest) return manifest.error().context(path.string());
    if (manifest->image == request.image && manifest->version == request.version) return {};
    return Error{Failure::refused, path.string() + " is not the manifest of " + version};
}

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
    const Result<std::string> text = read_file(next.path, format::max_channel_size + 1);
    if (!text) return text.error().context("channel");
    const Result<format::Channel> current = format::parse_channel(*text);
    if (!current) return current.error().context("channel " + next.path.string());
    if (current->image != image)
        return Error{Failure::refused, "channel " + next.path.string() + " is of image " + current->image +
                                           ", not of " + image};
    if (current->version > version)
        return Error{Failure::refused, "channel " + next.path.string() + " is at version " +
                                           std::to_string(current->version) +
                                           " already and never goes back to " + std::to_string(version)};
    if (current->serial == format::max_version)
        return Error{Failure::refused, "channel " + next.path.string() + " has used up its serial numbers"};
    next.channel.serial = current->serial + 1;
    next.channel.issued = std::max(next.channel.issued, current->issued);
    return next;
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
    // Before the lock, which would make the folder.
    if (Result<void> there = check_version(request.store / request.image, request); !there)
        return there.error();
    const Result<ImageFolder> folder = ImageFolder::open(request.store, request.image);
    if (!folder) return folder.error();
    Result<NextChannel> next = next_channel(*folder, request.image, request.channel, request.version);
    if (!next) return next;
    next->channel.percent = request.rollout.percent;
    // The same for each share of one version.
    next->channel.salt = request.image + "/" + std::to_string(request.version);
    next->channel.hold_back = request.rollout.hold_back;
    if (Result<void> written = write_channel(*next); !written) return written.error();
    return next;
}

}  // namespace regild::publish
