// SPDX-License-Identifier: GPL-2.0-or-later
// What it would take to make a version, or a disk, hold another version. Nothing is written.
#pragma once

#include "base/block_set.hpp"
#include "base/observer.hpp"
#include "base/stop.hpp"
#include "block/storage.hpp"
#include "net/fetcher.hpp"
#include "store/source.hpp"
#include "volume/nearby_devices.hpp"

namespace regild::volume {

struct Difference {
    Blocks blocks;      // that differ
    Blocks zero;        // of them: blocks that become zero, for which nothing is fetched
    Blocks unreadable;  // of them: read errors of the disk
    Bytes frames;       // of all others, as they are fetched
};

// Of blocks that are to become those of `to`. Frames of what is nearby, where it is read and verified, are
// not counted.
Result<Difference> needed_for(const BlockSet& blocks, const store::Source& to, net::Fetcher& fetcher,
                              NearbyDevices nearby);
// From `a` to `b`, by their hash trees. Failure::refused: their sizes, block sizes or salts differ, as those
// of two images do. Failure::source: the hash tree of one of them is gone, or a wrong one.
Result<Difference> version_difference(const store::Source& a, const store::Source& b, net::Fetcher& fetcher);
// From what is on the disk to `golden`: each block is read and hashed. The disk may be in use; what is
// written meanwhile may be seen or not. Failure::refused: it is too small, or its sectors are too large.
Result<Difference> disk_difference(block::Storage& disk, const store::Source& golden, net::Fetcher& fetcher,
                                   Observer& observer, const StopFlag& stop);

}  // namespace regild::volume
