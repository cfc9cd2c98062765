// SPDX-License-Identifier: GPL-2.0-or-later
// Which version a channel of a store names, and how that changes.
#pragma once

#include <filesystem>
#include <string>

#include "format/manifest.hpp"
#include "publish/folder.hpp"

namespace regild::publish {

// Failure::usage: no channel may have this name.
Result<void> check_channel_name(const std::string& name);

// The channel's file, and what it says when it names `version`: with the next serial number.
// Failure::refused: it is of another image, or at a later version already, to which its clients have gone.
struct NextChannel {
    std::filesystem::path path;
    format::Channel channel;
};
Result<NextChannel> next_channel(const ImageFolder& folder, const std::string& image, const std::string& name,
                                 std::uint64_t version);
// For which machines a channel's version is meant, see store/rollout.hpp.
struct Rollout {
    unsigned percent = 100;                // 1 to 100
    std::vector<std::string> hold_back{};  // tags
};
// Failure::usage: it would be larger than readers take.
Result<void> check_size(const format::Channel& channel);
// Durable when it returns; readers see the old one or the new one.
Result<void> write_channel(const NextChannel& next);

struct PromoteRequest {
    std::filesystem::path store;
    std::string image;
    std::uint64_t version = 0;
    std::string channel;
    Rollout rollout{};
};
// Points a channel at a version that is in the store already. Failure::refused also where that version is not
// there, and where a publisher of this image is at work.
Result<NextChannel> promote(const PromoteRequest& request);

}  // namespace regild::publish
