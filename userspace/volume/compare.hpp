// SPDX-License-Identifier: GPL-2.0-or-later
// Which blocks on the disk are golden: read, hashed on a few threads and compared with the hash tree.
#pragma once

#include <functional>

#include "base/progress.hpp"
#include "base/stop.hpp"
#include "block/storage.hpp"
#include "store/tree_reader.hpp"

namespace regild::volume {

struct Comparison {
    const format::Manifest& manifest;
    block::Storage& data;
    store::TreeReader& tree;
    Progress& progress;
    const StopFlag& stop;
};

// Of the members of `wanted` that were looked at.
struct Findings {
    BlockSet wrong;       // not golden, as far as anybody can tell: those that cannot be read among them
    BlockSet unreadable;  // a read error of the disk, also of this block alone
};

// Compares the members of `wanted`, part by part in ascending order. After each part `compared` is called on
// the calling thread with the range of the part and what was found in it; an Error from it ends the
// comparison.
Result<void> compare(const Comparison& comparison, const BlockSet& wanted,
                     const std::function<Result<void>(BlockRange part, const Findings& found)>& compared);

}  // namespace regild::volume
