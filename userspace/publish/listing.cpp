// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/listing.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/read_file.hpp"
#include "base/utc.hpp"
#include "format/frame_index.hpp"
#include "publish/channel.hpp"
#include "publish/documents.hpp"
#include "publish/folder.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;

SignatureState signature_of(const fs::path& document, const std::string& text, const Keys& keys) {
    const fs::path path = document.string() + ".sig";
    std::error_code error;
    if (!fs::is_regular_file(path, error)) return SignatureState::none;
    if (!keys) return SignatureState::unchecked;
    const Result<std::string> signature = read_file(path, codec::signature_size + 1);
    return signature && keys->verify(text, *signature) ? SignatureState::good : SignatureState::bad;
}

std::string problem_of_signature(SignatureState signature, const Keys& keys) {
    if (!keys || signature == SignatureState::good) return "";
    return signature == SignatureState::none ? "it is not signed" : "its signature is of none of the keys";
}

// "" or why it is not `length` bytes long; without a length any will do.
std::string problem_of_file(const fs::path& path, std::optional<Bytes> length) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
        return path.filename().string() + " is missing";
    const Bytes has(static_cast<std::uint64_t>(status.st_size));
    if (!length || has == *length) return "";
    return path.filename().string() + " is " + std::to_string(has.count()) + " bytes long, not " +
           std::to_string(length->count());
}

std::string problem_of_files(const fs::path& folder, const format::Manifest& manifest) {
    const Blocks blocks = manifest.blocks();
    std::string problem = problem_of_file(folder / manifest.data_file, std::nullopt);
    if (problem.empty())
        problem = problem_of_file(folder / manifest.index_file, format::index_file_size(blocks));
    if (problem.empty())
        problem = problem_of_file(folder / manifest.tree_file, format::HashTreeShape(blocks).file_size());
    return problem;
}

ListedVersion list_version(const fs::path& folder, const std::string& image, std::uint64_t number,
                           const Keys& keys) {
    ListedVersion version;
    version.number = number;
    const fs::path path = folder / std::to_string(number);
    struct stat status {};
    if (stat((path / manifest_name).c_str(), &status) != 0) {
        version.problem = std::string("it has no ") + manifest_name;
        return version;
    }
    if (const auto time = static_cast<std::uint64_t>(status.st_mtim.tv_sec); time <= max_utc)
        version.published = time;
    Result<StoredManifest> stored = read_manifest(folder, image, number);
    if (!stored) {
        version.problem = stored.error().message;
        return version;
    }
    version.signature = signature_of(path / manifest_name, stored->text, keys);
    version.problem = problem_of_files(path, stored->manifest);
    if (version.problem.empty()) version.problem = problem_of_signature(version.signature, keys);
    if (stat((path / stored->manifest.data_file).c_str(), &status) == 0)
        version.data = Bytes(static_cast<std::uint64_t>(status.st_size));
    version.manifest = std::move(stored->manifest);
    return version;
}

ListedChannel list_channel(const fs::path& path, const ListedImage& image, const Keys& keys) {
    ListedChannel listed;
    listed.name = path.stem();
    Result<StoredChannel> stored = read_channel(path, image.name);
    if (!stored) {
        listed.problem = stored.error().message;
        return listed;
    }
    listed.signature = signature_of(path, stored->text, keys);
    const std::uint64_t named = stored->channel.version;
    const auto version = std::ranges::find(image.versions, named, &ListedVersion::number);
    if (version == image.versions.end())
        listed.problem = "version " + std::to_string(named) + " is not in the store";
    else if (keys && stored->channel.name != listed.name)
        listed.problem = "it was made for channel " + stored->channel.name;
    else
        listed.problem = problem_of_signature(listed.signature, keys);
    listed.channel = std::move(stored->channel);
    return listed;
}

}  // namespace

bool ListedImage::is_sound() const {
    const auto is_fine = [](const auto& document) { return document.problem.empty(); };
    return problem.empty() && std::ranges::all_of(versions, is_fine) &&
           std::ranges::all_of(channels, is_fine);
}

Result<ListedImage> list_image(const fs::path& store, const std::string& image, const Keys& keys) {
    if (!format::is_valid_name(image))
        return Error{Failure::usage, "'" + image + "' cannot be the name of an image"};
    const fs::path folder = store / image;
    const Result<std::vector<std::string>> names = names_in(folder);
    if (!names) return names.error().as(Failure::usage);
    ListedImage listed;
    listed.name = image;
    for (const std::string& name : *names) {
        if (const std::optional<std::uint64_t> number = version_of(name))
            listed.versions.push_back(list_version(folder, image, *number, keys));
        else if (is_partial(name))
            listed.unfinished.push_back(name);
    }
    std::ranges::sort(listed.versions, {}, &ListedVersion::number);
    for (const std::string& name : *names)
        if (channel_of(name)) listed.channels.push_back(list_channel(folder / name, listed, keys));
    return listed;
}

Result<std::vector<ListedImage>> list_store(const fs::path& store, const Keys& keys) {
    const Result<std::vector<std::string>> names = names_in(store);
    if (!names) return names.error().as(Failure::usage);
    std::vector<ListedImage> images;
    for (const std::string& name : *names) {
        std::error_code error;
        if (!format::is_valid_name(name) || !fs::is_directory(store / name, error)) continue;
        Result<ListedImage> image = list_image(store, name, keys);
        if (!image) {
            ListedImage unreadable;
            unreadable.name = name;
            unreadable.problem = image.error().message;
            images.push_back(std::move(unreadable));
            continue;
        }
        const bool has_channel =
            std::ranges::any_of(image->channels, [](const auto& each) { return each.channel.has_value(); });
        if (has_channel || !image->versions.empty() || !image->unfinished.empty())
            images.push_back(*std::move(image));
    }
    return images;
}

}  // namespace regild::publish
