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

struct Decision {
    Work work = Work::none;
    OffArgument off = OffArgument::not_given;
    // A restore that was cut off between the last clear and the record has nothing left to fetch.
    bool needs_network = false;
    bool hashes_all = false;  // what is not marked is not believed either
    bool operator==(const Decision&) const = default;
};
struct OffRules {
    bool given = false;    // the kernel argument is there
    bool allowed = false;  // the configuration says that it may be
};
Decision decide(const volume::VolumeFacts& facts, OffRules off, format::LogTrust trust);

// Where this boot looks for a newer version. Without a usable log, or with regild=off obeyed, there is
// nothing to update.
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
