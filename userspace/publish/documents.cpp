// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/documents.hpp"

#include "base/read_file.hpp"
#include "publish/folder.hpp"

namespace regild::publish {
namespace {

// Opening a pipe would wait for a writer.
Result<std::string> read_document(const std::filesystem::path& path, std::size_t limit) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        return Error{Failure::failed, path.string() + " is not a file"};
    return read_file(path, limit + 1);
}

}  // namespace

Result<StoredManifest> read_manifest(const std::filesystem::path& folder, const std::string& image,
                                     std::uint64_t version) {
    const std::filesystem::path path = folder / std::to_string(version) / manifest_name;
    Result<std::string> text = read_document(path, format::max_manifest_size);
    if (!text) return text.error();
    Result<format::Manifest> manifest = format::parse_manifest(*text);
    if (!manifest) return manifest.error().context(path.string());
    if (manifest->image != image || manifest->version != version)
        return Error{Failure::refused, path.string() + " is not the manifest of version " +
                                           std::to_string(version) + " of " + image};
    return StoredManifest{*std::move(text), *std::move(manifest)};
}

Result<StoredChannel> read_channel(const std::filesystem::path& path, const std::string& image) {
    Result<std::string> text = read_document(path, format::max_channel_size);
    if (!text) return text.error().context("channel");
    Result<format::Channel> channel = format::parse_channel(*text);
    if (!channel) return channel.error().context("channel " + path.string());
    if (channel->image != image)
        return Error{Failure::refused,
                     "channel " + path.string() + " is of image " + channel->image + ", not of " + image};
    return StoredChannel{*std::move(text), *std::move(channel)};
}

}  // namespace regild::publish
