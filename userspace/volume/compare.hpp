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

// Compares the members of `wanted`, part by part in ascending order. After each part `compared` is called on
// the calling thread with the range of the part and the members of `wanted` in it that are not golden; an
// Error from it ends the comparison.
Result<void> compare(const Comparison& comparison, const BlockSet& wanted,
                     const std::function<Result<void>(BlockRange part, const BlockSet& wrong)>& compared);

}  // namespace regild::volume
