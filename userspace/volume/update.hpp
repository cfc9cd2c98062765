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
// What the source offers to who asks, for a volume with this record.
Result<store::Offered> offered_to(const Asker& asker, const format::ImageRecord& record,
                                  net::Fetcher& fetcher, const net::Url& url);
// Keeps in the record what counts of the channel that was asked: with keys its serial number, and that what
// was staged is not for this machine.
Result<void> note_offered(log::WriteLog& log, const Asker& asker, const store::Offered& offered);
// The version that is offered, if it is newer than the one in the record. Nothing: there is none for who
// asked. Failure::refused: it is older, or of another image.
Result<std::optional<store::Source>> newer_of(const Asker& asker, const format::ImageRecord& record,
                                              store::Offered offered);
// These one after the other; why there is none for this machine is told.
Result<std::optional<store::Source>> newer_version(log::WriteLog& log, net::Fetcher& fetcher,
                                                   const net::Url& url, const Asker& asker,
                                                   Observer& observer);

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
