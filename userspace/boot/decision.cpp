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
    return volume::is_clean(facts) && !facts.trial_over ? Work::none : Work::restore;
}

Decision decide(const VolumeFacts& facts, OffRules off, format::LogTrust trust) {
    Decision decision{.work = work_for(facts),
                      .off = OffArgument::not_given,
                      .needs_network = !facts.state || facts.marked > Blocks(0) || facts.trial_over};
    if (trust == format::LogTrust::hash && facts.state && facts.state != VolumeState::provisioning)
        decision = {.work = decision.work == Work::none ? Work::restore : decision.work,
                    .off = OffArgument::not_given,
                    .needs_network = true,
                    .hashes_all = true};
    if (!off.given) return decision;
    if (!off.allowed) {
        decision.off = OffArgument::not_allowed;
    } else if (facts.state != VolumeState::golden) {
        decision.off = OffArgument::not_complete;
    } else {
        decision = {.work = Work::none, .off = OffArgument::obeyed};
    }
    return decision;
}

UpdateFrom update_from(const Decision& decision, format::UpdatePolicy policy) {
    if (decision.work == Work::provision || decision.off == OffArgument::obeyed) return UpdateFrom::nowhere;
    switch (policy) {
        case format::UpdatePolicy::never:
            break;
        case format::UpdatePolicy::staged:
            return UpdateFrom::the_log;
        case format::UpdatePolicy::dirty:
            return decision.needs_network ? UpdateFrom::the_source : UpdateFrom::nowhere;
        case format::UpdatePolicy::boot:
            return UpdateFrom::the_source;
    }
    return UpdateFrom::nowhere;
}

Unrestored decide_unrestored(const VolumeFacts& facts, std::uint32_t boots_before,
                             const format::OfflineRules& rules) {
    if (rules.policy != format::OfflinePolicy::boot) return Unrestored::not_allowed;
    if (facts.state != VolumeState::golden) return Unrestored::not_complete;
    if (boots_before >= rules.most_boots) return Unrestored::too_often;
    return Unrestored::start;
}

}  // namespace regild::boot
