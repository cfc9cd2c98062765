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

Thawing decide_thaw(const VolumeFacts& facts, bool allowed, std::uint64_t now) {
    if (!facts.thaw) return Thawing::none;
    if (!allowed) return Thawing::not_allowed;
    if (facts.thaw->until != 0 && facts.thaw->until <= now) return Thawing::over;
    return facts.state == VolumeState::golden ? Thawing::kept : Thawing::not_complete;
}

Decision decide(const VolumeFacts& facts, OffRules off, format::LogTrust trust, Thawing thaw) {
    if (thaw == Thawing::kept) return {.work = Work::none, .off = OffArgument::not_given, .thaw = thaw};
    Decision decision{.work = work_for(facts),
                      .off = OffArgument::not_given,
                      .needs_network = !facts.state || facts.marked > Blocks(0) || facts.trial_over,
                      .thaw = thaw};
    if (trust == format::LogTrust::hash && facts.state && facts.state != VolumeState::provisioning)
        decision = {.work = decision.work == Work::none ? Work::restore : decision.work,
                    .off = OffArgument::not_given,
                    .needs_network = true,
                    .hashes_all = true,
                    .thaw = thaw};
    if (!off.given) return decision;
    if (!off.allowed) {
        decision.off = OffArgument::not_allowed;
    } else if (facts.state != VolumeState::golden) {
        decision.off = OffArgument::not_complete;
    } else {
        decision = {.work = Work::none, .off = OffArgument::obeyed, .thaw = thaw};
    }
    return decision;
}

UpdateFrom update_from(const Decision& decision, format::UpdatePolicy policy) {
    if (decision.work == Work::provision || decision.off == OffArgument::obeyed ||
        decision.thaw == Thawing::kept)
        return UpdateFrom::nowhere;
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
