// SPDX-License-Identifier: GPL-2.0-or-later
// A store in a folder of its own, with versions of the image kiosk as publish writes them.
#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "files.hpp"
#include "publish/channel.hpp"
#include "publish/publish.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::test {

class StoreOfVersions {
  public:
    // Versions 1 to `last`.
    explicit StoreOfVersions(std::uint64_t last) {
        write_file(directory / "golden.img", std::string(65536, 'g'));
        for (std::uint64_t version = 1; version <= last; ++version)
            publish(version);
    }
    void publish(std::uint64_t version, const std::optional<std::string>& channel = {}) {
        const publish::PublishRequest request{.image_file = directory / "golden.img",
                                              .store = path(),
                                              .image = "kiosk",
                                              .version = version,
                                              .block_size = *BlockSize::from_bytes(4096),
                                              .channel = channel};
        REQUIRE(publish::publish(request, observer, stop).ok());
    }
    void promote(std::uint64_t version, const std::string& channel) {
        REQUIRE(publish::promote({path(), "kiosk", version, channel}).ok());
    }
    std::filesystem::path path() const { return directory / "store"; }
    std::filesystem::path folder() const { return path() / "kiosk"; }
    std::filesystem::path version(std::uint64_t number) const { return folder() / std::to_string(number); }

    TemporaryDirectory directory;
    SilentObserver observer;
    StopFlag stop;
};

}  // namespace regild::test
