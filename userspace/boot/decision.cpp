// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/decision.hpp"

namespace regild::boot {

using format::VolumeState;
using volume::VolumeFacts;

Work work_for(const VolumeFacts& facts) {
    if (!facts.state) return Work::provision;
    switch (*facts.state) {
        case VolumeState::provisioning:
            return Work::finish_provisioning;
        case VolumeState::restoring:
            return Work::restore;
        case VolumeState::golden:
            break;
    }
    return volume::is_clean(facts) ? Work::none : Work::restore;
}

Decision decide(const VolumeFacts& facts, bool off_given, bool off_allowed) {
    Decision decision{.work = work_for(facts),
                      .off = OffArgument::not_given,
                      .needs_network = !facts.state || facts.marked > Blocks(0)};
    if (!off_given) return decision;
    if (!off_allowed) {
        decision.off = OffArgument::not_allowed;
    } else if (facts.state != VolumeState::golden) {
        decision.off = OffArgument::not_complete;
    } else {
        decision = {.work = Work::none, .off = OffArgument::obeyed, .needs_network = false};
    }
    return decision;
}

bool asks_for_update(const Decision& decision, format::UpdatePolicy policy) {
    if (decision.work == Work::provision || decision.off == OffArgument::obeyed) return false;
    return policy == format::UpdatePolicy::boot ||
           (policy == format::UpdatePolicy::dirty && decision.needs_network);
}

Unrestored decide_unrestored(const VolumeFacts& facts, std::uint32_t boots_before,
                             const format::OfflineRules& rules) {
    if (rules.policy != format::OfflinePolicy::boot) return Unrestored::not_allowed;
    if (facts.state != VolumeState::golden) return Unrestored::not_complete;
    if (boots_before >= rules.most_boots) return Unrestored::too_often;
    return Unrestored::start;
}

}  // namespace regild::boot
