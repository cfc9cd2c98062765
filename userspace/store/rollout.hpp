// SPDX-License-Identifier: GPL-2.0-or-later
// For which machines a channel's version is meant.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/disk_identity.hpp"
#include "format/manifest.hpp"

namespace regild::store {

struct Machine {
    std::string id;  // the same at each boot, and no other machine's
    std::vector<std::string> tags;
};
// By its data disk: the WWID, or the partition's UUID where it has none.
Machine machine_with(const DiskIdentity& disk, std::vector<std::string> tags);

// The share of a channel takes in those whose SHA-256 of salt, a NUL and id, its first eight bytes as a
// big-endian number modulo 100, is below its percent: with the same salt a larger share has all of a smaller
// one.
bool is_meant_for(const format::Channel& channel, const Machine& machine);
// Why it is not, for people; nothing: it is.
std::optional<std::string> reason_against(const format::Channel& channel, const Machine& machine);

}  // namespace regild::store
