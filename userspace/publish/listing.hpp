// SPDX-License-Identifier: GPL-2.0-or-later
// What a store holds, as its files tell: also what is damaged, or not whole.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "codec/ed25519.hpp"
#include "format/manifest.hpp"

namespace regild::publish {

enum class SignatureState {
    none,
    unchecked,  // there is one, and no keys are given
    good,       // of one of the keys
    bad,        // of none of them
};

struct ListedVersion {
    std::uint64_t number = 0;
    std::string problem;                       // why kiosks that have these keys cannot use it; "": they can
    std::optional<format::Manifest> manifest;  // where it can be read
    Bytes data;                                // length of the file of its frames
    std::optional<std::uint64_t> published;    // seconds since 1970: when its manifest was written
    SignatureState signature = SignatureState::none;
};

struct ListedChannel {
    std::string name;
    std::string problem;
    std::optional<format::Channel> channel;
    SignatureState signature = SignatureState::none;
};

struct ListedImage {
    std::string name;
    std::string problem;                  // why its folder cannot be read
    std::vector<ListedVersion> versions;  // ascending
    std::vector<ListedChannel> channels;  // by name
    // Folders of versions that a publisher at work builds, or one that was cut off has left.
    std::vector<std::string> unfinished;

    bool is_sound() const;  // nothing has a problem
};

using Keys = std::optional<codec::PublicKeys>;

// Takes no lock. What is wrong with one document is told at its place and does not end the listing.
// Failure::usage: there is no such folder, or it cannot be read.
Result<ListedImage> list_image(const std::filesystem::path& store, const std::string& image,
                               const Keys& keys);
// All images, by name: folders that have versions, channels, or an unfinished version.
Result<std::vector<ListedImage>> list_store(const std::filesystem::path& store, const Keys& keys);

}  // namespace regild::publish
