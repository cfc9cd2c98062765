// SPDX-License-Identifier: GPL-2.0-or-later
// A version on its way into a store: its place is held, its files are built aside, and it appears whole.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "format/manifest.hpp"
#include "publish/channel.hpp"
#include "publish/folder.hpp"

namespace regild::publish {

class NewVersion {
  public:
    // Locks the image's folder and removes what was left in it. Failure::usage: a name or number that cannot
    // be. Failure::refused: the version exists, another publisher of this image is at work, or the channel
    // already points at a later version.
    static Result<NewVersion> begin(const std::filesystem::path& store, const std::string& image,
                                    std::uint64_t version, const std::optional<std::string>& channel);

    // Of the image: earlier versions are in it.
    const std::filesystem::path& image_path() const { return folder_.path(); }
    // Of the files while they are built.
    const std::filesystem::path& path() const { return partial_.path(); }
    // Its manifest comes last, then the version has its name, then the channel points at it.
    Result<void> commit(const format::Manifest& manifest);

    std::filesystem::path manifest_path() const;
    // Empty without a channel.
    std::filesystem::path channel_path() const;

  private:
    NewVersion(ImageFolder folder, PartialVersion partial, std::uint64_t version,
               std::optional<NextChannel> channel)
        : folder_(std::move(folder)),
          partial_(std::move(partial)),
          version_(version),
          channel_(std::move(channel)) {}
    ImageFolder folder_;
    PartialVersion partial_;
    std::uint64_t version_;
    std::optional<NextChannel> channel_;
};

}  // namespace regild::publish
