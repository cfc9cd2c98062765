// SPDX-License-Identifier: GPL-2.0-or-later
// Publish a delta: a version of the store with other blocks in it becomes the next one.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "format/manifest.hpp"

namespace regild::publish {

struct DeltaRequest {
    std::filesystem::path delta;
    std::filesystem::path store;
    std::optional<std::string> channel;  // point this channel at the version
    int zstd_level = 0;                  // of runs of zeros: all other frames are there
};

struct DeltaReport {
    format::Manifest manifest;
    std::uint64_t base_version = 0;
    Blocks changed;
    Blocks zero_blocks;
    Bytes compressed;  // length of image.zst
    std::filesystem::path manifest_path;
    std::filesystem::path channel_path;  // empty without a channel
};

// Frames of blocks that did not change are taken from the version before as they are; those of the delta are
// decompressed and hashed. Gives the very files that publish() gives of the same image at the level of all
// frames. Failure::usage: not a delta. Failure::refused: the version exists, what it is a difference to is
// not in the store or another one than there, another publisher is at work, or what the delta leads to is
// not what its manifest says.
Result<DeltaReport> publish_delta(const DeltaRequest& request, Observer& observer, const StopFlag& stop);

}  // namespace regild::publish
