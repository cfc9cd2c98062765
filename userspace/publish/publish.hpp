// SPDX-License-Identifier: GPL-2.0-or-later
// Publish: an image file becomes one immutable version in a store of plain files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "format/manifest.hpp"
#include "publish/advice.hpp"
#include "publish/file_system.hpp"
#include "publish/moved.hpp"

namespace regild::publish {

inline constexpr int default_zstd_level = 14;

struct PublishRequest {
    std::filesystem::path image_file;  // a file or a block device; its size is a multiple of 512 bytes
    std::filesystem::path store;
    std::string image;
    std::uint64_t version = 0;
    BlockSize block_size;
    std::optional<std::string> channel;  // point this channel at the version
    int zstd_level = default_zstd_level;
    bool raw = false;  // write image.raw as well, for other tools
};

struct PublishReport {
    format::Manifest manifest;
    Blocks zero_blocks;
    Bytes compressed;                             // length of image.zst
    std::optional<FileSystemReport> file_system;  // of an ext2, ext3 or ext4 file system
    std::vector<Advice> advice;
    std::optional<Moved> difference;  // to the version before it in the store that can be compared
    std::filesystem::path manifest_path;
    std::filesystem::path channel_path;  // empty without a channel
};

// Streams the image once, hashing and compressing on several threads, in bounded memory. The version is built
// in a temporary folder and renamed into place, so that it is there whole or not at all. Failure::refused:
// the version exists, another publisher of this image is at work, or the channel already points at a later
// version. An image with a partition table, or without a file system, and one in which most of what
// differs from the version before was only moved, is an event that warns.
//
// The same bytes under the same name and version give the same hash tree and manifest, whoever publishes
// them, see codec/version_identity.hpp. The frames depend on libzstd and its level as well.
Result<PublishReport> publish(const PublishRequest& request, Observer& observer, const StopFlag& stop);

}  // namespace regild::publish
