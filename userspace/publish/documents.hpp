// SPDX-License-Identifier: GPL-2.0-or-later
// Manifests and channels as they lie in a store's folders, with the text that a signature is of.
#pragma once

#include <filesystem>
#include <string>

#include "format/manifest.hpp"

namespace regild::publish {

struct StoredManifest {
    std::string text;
    format::Manifest manifest;
};
// Of this version, in the image's folder. Failure::refused: it is that of another image or version.
Result<StoredManifest> read_manifest(const std::filesystem::path& folder, const std::string& image,
                                     std::uint64_t version);

struct StoredChannel {
    std::string text;
    format::Channel channel;
};
// Failure::refused: it is of another image.
Result<StoredChannel> read_channel(const std::filesystem::path& path, const std::string& image);

}  // namespace regild::publish
