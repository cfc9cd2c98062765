// SPDX-License-Identifier: GPL-2.0-or-later
// Publish: an image file becomes one immutable version in a store of plain files.
#pragma once

#include <filesystem>
#include <optional>

#include "base/stop.hpp"
#include "engine/observer.hpp"
#include "format/manifest.hpp"

namespace regild::engine {

struct PublishRequest {
    std::filesystem::path image_file;  // its size must be a multiple of 512 bytes
    std::filesystem::path store;
    std::string image;
    std::uint64_t version = 0;
    BlockSize block_size;
    std::optional<std::string> channel;  // point this channel at the version
};

struct PublishReport {
    format::Manifest manifest;
    Blocks zero_blocks;
    std::filesystem::path manifest_path;
    std::filesystem::path channel_path;  // empty without a channel
};

// Streams the image once, hashing on several threads, in bounded memory. The version is built in a temporary
// folder and renamed into place, so that it is there whole or not at all; one that exists is refused.
Result<PublishReport> publish(const PublishRequest& request, Observer& observer, const StopFlag& stop);

}  // namespace regild::engine
