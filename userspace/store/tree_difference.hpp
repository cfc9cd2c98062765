// SPDX-License-Identifier: GPL-2.0-or-later
// Which blocks of two versions differ: their hash trees are walked from the top, and read only where they
// differ.
#pragma once

#include <functional>
#include <span>

#include "store/tree_reader.hpp"

namespace regild::store {

// Calls `found` with ascending ranges, a bounded number at a time, until all are told or it fails. `a` and
// `b` are comparable. The cache, if there is one, is asked first and gets what is fetched. False: the source
// does not give the tree of `a` any more, or a wrong one, and gives that of `b`. Other errors as
// TreeReader's.
Result<bool> for_each_difference(const Source& a, const Source& b, net::Fetcher& fetcher, Cache* cache,
                                 const std::function<Result<void>(std::span<const BlockRange>)>& found);
// Whether the source gives the tree of `source`: its top.
Result<void> check_tree(const Source& source, net::Fetcher& fetcher, Cache* cache);

}  // namespace regild::store
