// SPDX-License-Identifier: GPL-2.0-or-later
// Old versions leave a store: what no channel needs and no rule keeps.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/observer.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "base/units.hpp"

namespace regild::publish {

inline constexpr std::uint64_t default_keep = 3;

struct GcRequest {
    std::filesystem::path store;
    std::string image;
    // So many of the newest versions stay, whoever names them; 1 or more, so that the next number is one that
    // was never used.
    std::uint64_t keep = default_keep;
    bool remove = false;  // else everything is told and nothing touched
};

struct GcReport {
    struct Kept {
        std::uint64_t version = 0;
        std::vector<std::string> channels{};  // that name it
        // That have a newer version for a share of the machines, or hold some back: others may still hold
        // this one. Without either it is one of the newest.
        std::vector<std::string> left_out_by{};
    };
    struct Version {
        std::uint64_t version = 0;
        Bytes bytes;  // that it takes on the disk
    };
    // A folder that a publish or a gc left that was cut off. Without the lock: or one that is at work.
    struct Leftover {
        std::string name;
        Bytes bytes;
    };
    // Looks like a version and is not touched.
    struct LeftAlone {
        std::uint64_t version = 0;
        std::string why;
    };
    std::vector<Kept> kept;
    std::vector<Version> versions;  // that go, or are gone
    std::vector<Leftover> leftovers;
    std::vector<LeftAlone> left_alone;

    Bytes bytes() const;  // of versions and leftovers
};

// A version is hidden by one rename, durably, before anything of it is removed, and comes back if a channel
// needs it by then: so that of a channel that somebody changes meanwhile, whatever with, either the version
// is there, or it was gone before. The lock of the image is held while something is removed. Cut off
// anywhere, it leaves whole versions and hidden ones, with which the next one goes on.
//
// Failure::refused: a publisher is at work (only with `remove`), or a channel cannot be read, so that nobody
// knows which version it names. Failure::usage: there is no such image. Failure::interrupted: between two
// versions.
Result<GcReport> gc(const GcRequest& request, Observer& observer, const StopFlag& stop);

}  // namespace regild::publish
