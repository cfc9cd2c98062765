// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/new_version.hpp"

namespace regild::publish {
namespace {

Result<void> check_names(const std::string& image, std::uint64_t version,
                         const std::optional<std::string>& channel) {
    if (!format::is_valid_name(image))
        return Error{Failure::usage, "'" + image +
                                         "' cannot be the name of an image: use small letters, digits and "
                                         "._-, beginning with a letter or digit, at most 63"};
    if (channel)
        if (Result<void> valid = check_channel_name(*channel); !valid) return valid;
    if (version == 0 || version > format::max_version)
        return Error{Failure::usage,
                     "a version is a number from 1 to " + std::to_string(format::max_version)};
    return {};
}

}  // namespace

Result<NewVersion> NewVersion::begin(const std::filesystem::path& store, const std::string& image,
                                     std::uint64_t version, const std::optional<std::string>& channel) {
    if (Result<void> valid = check_names(image, version, channel); !valid) return valid.error();
    Result<ImageFolder> folder = ImageFolder::open(store, image);
    if (!folder) return folder.error();
    const std::filesystem::path version_path = folder->path() / std::to_string(version);
    if (std::filesystem::exists(version_path))
        return Error{Failure::refused, version_path.string() +
                                           " exists; a version is never overwritten: publish under the next "
                                           "number"};
    std::optional<NextChannel> next;
    if (channel) {
        Result<NextChannel> found = next_channel(*folder, image, *channel, version);
        if (!found) return found.error();
        next = *std::move(found);
    }
    if (Result<void> removed = folder->remove_leftovers(); !removed) return removed.error();
    Result<PartialVersion> partial = PartialVersion::create(*folder, version);
    if (!partial) return partial.error();
    return NewVersion(*std::move(folder), *std::move(partial), version, std::move(next));
}

Result<void> NewVersion::commit(const format::Manifest& manifest) {
    Result<OutputFile> file = OutputFile::create(path() / manifest_name, Bytes(0));
    if (!file) return file.error();
    if (Result<void> written = file->write(Bytes(0), as_bytes(format::serialize_manifest(manifest)));
        !written)
        return written;
    if (Result<void> synced = file->sync(); !synced) return synced;
    if (Result<void> committed = partial_.commit(); !committed) return committed;
    if (!channel_) return {};
    if (Result<void> written = write_channel(*channel_); !written)
        return written.error().context("version " + std::to_string(version_) +
                                       " is published, but its channel is not");
    return {};
}

std::filesystem::path NewVersion::manifest_path() const {
    return folder_.path() / std::to_string(version_) / manifest_name;
}

std::filesystem::path NewVersion::channel_path() const {
    return channel_ ? channel_->path : std::filesystem::path();
}

}  // namespace regild::publish
