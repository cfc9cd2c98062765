// SPDX-License-Identifier: GPL-2.0-or-later
// Restore: for each marked block get the clean content, verify it, write it, make it durable, clear the mark.
// Provisioning, restoring after a session and resuming after a power cut are all this one path.
#pragma once

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "log/write_log.hpp"
#include "store/source.hpp"

namespace regild::volume {

struct RestoreReport {
    Blocks marked;         // when it began
    Blocks fetched;        // written with fetched bytes
    Blocks zeroed;         // zero in the image: zeroed, not fetched
    Blocks already_right;  // unknown blocks whose content hashed right: not written
    Bytes bytes_fetched;   // bodies of all requests, data and hash tree
    std::uint64_t requests = 0;
};

struct RestoreTarget {
    log::WriteLog& log;
    block::Storage& data;
};

// Restores every marked block; with none marked and the record golden it does nothing and makes no request.
// Before the first block is written the record says `restoring` (or stays `provisioning`), until no mark is
// left (invariant 9). What is returned on failure leaves each block marked that is not known golden.
Result<RestoreReport> restore(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher,
                              Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
