// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/rollout.hpp"

#include <algorithm>

#include "codec/sha256.hpp"

namespace regild::store {
namespace {

constexpr std::size_t hashed_bytes = 8;

unsigned place_of(const Machine& machine, const std::string& salt) {
    const Digest digest = codec::SaltedSha256(as_bytes(salt + '\0'))(as_bytes(machine.id));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < hashed_bytes; ++i)
        number = number << 8 | std::to_integer<std::uint64_t>(digest[i]);
    return static_cast<unsigned>(number % 100);
}

}  // namespace

Machine machine_with(const DiskIdentity& disk, std::vector<std::string> tags) {
    return {disk.wwid.empty() ? disk.partuuid : disk.wwid, std::move(tags)};
}

std::optional<std::string> reason_against(const format::Channel& channel, const Machine& machine) {
    std::string reason = "version " + std::to_string(channel.version) + " is ";
    for (const std::string& tag : channel.hold_back)
        if (std::ranges::find(machine.tags, tag) != machine.tags.end())
            return reason.append("held back from machines with the tag ").append(tag);
    if (channel.percent >= 100 || place_of(machine, channel.salt) < channel.percent) return std::nullopt;
    return reason.append("for ")
        .append(std::to_string(channel.percent))
        .append(" % of the machines, and this is none of them yet");
}

bool is_meant_for(const format::Channel& channel, const Machine& machine) {
    return !reason_against(channel, machine);
}

}  // namespace regild::store
