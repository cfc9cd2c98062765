// SPDX-License-Identifier: GPL-2.0-or-later
// Verify: hash every block of the volume and mark those that are not golden.
#pragma once

#include "volume/restore.hpp"

namespace regild::volume {

struct VerifyReport {
    Blocks checked;
    Blocks marked_before;
    Blocks newly_marked;  // wrong or unreadable, and not marked on the log
    Blocks unreadable;    // read errors, whether marked before or newly
};

Result<VerifyReport> verify(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                            Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
