// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/state.hpp"

#include "volume/trial.hpp"

namespace regild::volume {

using format::VolumeState;

VolumeFacts facts_of(const log::WriteLog& log) {
    if (!log.record()) return {};
    return {log.record()->state, log.bitmap().marked(), is_trial_over(*log.record()), log.record()->thaw};
}

bool is_clean(const VolumeFacts& facts) {
    return facts.state == VolumeState::golden && facts.marked == Blocks(0);
}

std::string state_text(const VolumeFacts& facts) {
    if (is_clean(facts)) return "golden";
    const bool one = facts.marked == Blocks(1);
    const std::string left = std::to_string(facts.marked.count()) + (one ? " block" : " blocks");
    const bool complete = facts.state == VolumeState::golden;
    return (complete ? "provisioned" : format::to_string(*facts.state)) + (", " + left + " to restore");
}

}  // namespace regild::volume
