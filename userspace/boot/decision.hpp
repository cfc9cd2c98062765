// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be done with a volume: what its log says goes in, the next step comes out. Pure: nothing is
// opened, written or printed here. The boot and the commands by hand decide by it alike.
#pragma once

#include "format/configuration.hpp"
#include "volume/state.hpp"

namespace regild::boot {

enum class Work {
    none,                 // it is clean
    restore,              // blocks that a session wrote, a restore that was cut off, a trial that is over
    finish_provisioning,  // a provisioning that was cut off
    provision,            // there is no usable log: format one, then restore every block
};
Work work_for(const volume::VolumeFacts& facts);

// What becomes of the kernel argument regild=off.
enum class OffArgument {
    not_given,
    obeyed,
    not_allowed,   // the configuration does not allow it
    not_complete,  // the volume is a mixture or nothing yet: it cannot be used as it is (invariant 9)
};

// What becomes of a volume whose record says that it is thawed.
enum class Thawing {
    none,          // it is not thawed
    kept,          // it is mapped as the last session left it
    over,          // its time has come
    not_allowed,   // the configuration does not allow it
    not_complete,  // the volume is a mixture or nothing yet: it cannot be used as it is (invariant 9)
};
// `now`: seconds since 1970, by a clock that is believed.
Thawing decide_thaw(const volume::VolumeFacts& facts, bool allowed, std::uint64_t now);

struct Decision {
    Work work = Work::none;
    OffArgument off = OffArgument::not_given;
    // A restore that was cut off between the last clear and the record has nothing left to fetch.
    bool needs_network = false;
    bool hashes_all = false;  // what is not marked is not believed either
    Thawing thaw = Thawing::none;
    bool operator==(const Decision&) const = default;
};
struct OffRules {
    bool given = false;    // the kernel argument is there
    bool allowed = false;  // the configuration says that it may be
};
// Where a thaw keeps what is there nothing else has anything to say.
Decision decide(const volume::VolumeFacts& facts, OffRules off, format::LogTrust trust,
                Thawing thaw = Thawing::none);

// Where this boot looks for a newer version. Without a usable log, with regild=off obeyed, or where a thaw
// keeps what is there, there is nothing to update.
enum class UpdateFrom {
    nowhere,
    the_log,  // what a session has staged, if it has
    the_source,
};
UpdateFrom update_from(const Decision& decision, format::UpdatePolicy policy);

// What becomes of a volume that could not be restored, since the server did not give what is needed.
enum class Unrestored {
    start,         // as the last session left it: the owner's policy allows it
    not_allowed,   // the policy is another one
    not_complete,  // the volume is a mixture or nothing yet: no policy can start it (invariant 9)
    too_often,     // as many boots as the owner allows have started it so already
};
// `facts`: as the log has them now, after all attempts to restore. `boots_before`: in a row, without a
// restore.
Unrestored decide_unrestored(const volume::VolumeFacts& facts, std::uint32_t boots_before,
                             const format::OfflineRules& rules);

}  // namespace regild::boot
