// SPDX-License-Identifier: GPL-2.0-or-later
// A new version: what differs is marked, then the record says so, and a restore does the rest.
#pragma once

#include "base/observer.hpp"
#include "log/write_log.hpp"
#include "net/fetcher.hpp"
#include "store/cache.hpp"
#include "store/source.hpp"

namespace regild::volume {

enum class Offer {
    same,   // the version that the volume holds
    newer,  // of the same image, and it fits into the log as it is
    older,  // lower than what the volume holds, or of a channel older than the one that was believed last
    other_image,   // of another name
    other_layout,  // of another size or block size: the log has to be formatted anew
};
// What `offered` is to the volume of this log, which is usable.
Offer judge(const log::WriteLog& log, const store::Source& offered, const store::Trust& trust);

// Why one that is neither the same nor newer is not installed: Failure::refused.
Error refusal(Offer offer, const store::Source& offered);

struct Update {
    Blocks marked;             // that differ between the two versions
    bool all_unknown = false;  // how they differ cannot be told: all blocks are marked, and hashed first
};

// Makes the volume of this log, which is usable, hold `next`, which is newer. Marks are durable before the
// record is: cut off anywhere, the volume holds the version before with some blocks marked for nothing, or
// the next one. Where the tree of `installed` cannot be had any more (Failure::source) all blocks are marked.
// The cache may be nullptr.
Result<Update> update(log::WriteLog& log, const store::Source& installed, const store::Source& next,
                      net::Fetcher& fetcher, store::Cache* cache, Observer& observer);

}  // namespace regild::volume
