// SPDX-License-Identifier: GPL-2.0-or-later
// A new version: what differs is marked, then the record says so, and a restore does the rest.
#pragma once

#include "base/observer.hpp"
#include "log/write_log.hpp"
#include "net/fetcher.hpp"
#include "store/cache.hpp"
#include "store/source.hpp"

namespace regild::volume {

// Who asks for a newer version.
struct Asker {
    const store::Trust& trust;
    std::vector<std::string> tags{};  // of the machine
    // Takes also a version that is not meant for this machine, or whose trial has failed.
    bool by_hand = false;
};
// Asks the source for a version that is newer than the one that the volume of this log, which is usable,
// holds. Nothing: there is none for who asks. A serial number
// higher than the last one is kept in the record, where there are keys. Failure::refused: what is offered is
// older, or of another image.
Result<std::optional<store::Source>> newer_version(log::WriteLog& log, net::Fetcher& fetcher,
                                                   const net::Url& url, const Asker& asker);

struct Update {
    Blocks marked;             // that differ between the two versions
    bool all_unknown = false;  // how they differ cannot be told: all blocks are marked, and hashed first
};

// Marks all blocks as unknown: the next restore hashes each first. In an order in which a power cut leaves
// nothing to be fetched for nothing.
Result<Update> mark_all_unknown(log::WriteLog& log);

// From where the trees of two versions are read, to see where they differ. The cache may be nullptr.
struct TreeSources {
    net::Fetcher& fetcher;
    store::Cache* cache;
    Observer& observer;
};

// Makes the volume of this log, which is usable, hold `next`, which is newer and is on trial for so many
// boots, see volume/trial.hpp. Marks are durable before the record is: cut off anywhere, the volume holds the
// version before with some blocks marked for nothing, or the next one. Where the tree of `installed` cannot
// be had any more (Failure::source) all blocks are marked, and so they are where `next` has another size or
// block size: it fits disk and log, which is laid out anew, see volume/layout.hpp.
Result<Update> update(log::WriteLog& log, const store::Source& installed, const store::Source& next,
                      std::uint32_t trial_boots, const TreeSources& trees);
// The way back from `installed`, which is on trial or untouched, to the version before it. An untouched one
// costs no request: its marks are enough.
Result<Update> go_back(log::WriteLog& log, const store::Source& installed, const store::Source& before,
                       const TreeSources& trees);

}  // namespace regild::volume
