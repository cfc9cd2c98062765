// SPDX-License-Identifier: GPL-2.0-or-later
// Verify: hash every block of the volume and mark those that are not golden.
#pragma once

#include "volume/restore.hpp"

namespace regild::volume {

struct VerifyReport {
    Blocks checked;
    Blocks marked_before;  // also those of log sectors that could not be trusted
    Blocks newly_marked;   // wrong or unreadable, and not marked before
    Blocks unreadable;     // read errors, marked before or newly
    bool golden() const { return marked_before + newly_marked == Blocks(0); }
};

Result<VerifyReport> verify(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                            Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
