// SPDX-License-Identifier: GPL-2.0-or-later
// Which blocks of two versions differ: their hash trees are walked from the top, and read only where they
// differ.
#pragma once

#include <functional>
#include <span>

#include "store/tree_reader.hpp"

namespace regild::store {

// Whether the blocks of both can be told apart by their digests: the size, the size of a block and the salt
// are the same.
bool are_comparable(const format::Manifest& a, const format::Manifest& b);

// Calls `found` with ascending ranges, a bounded number at a time, until all are told or it fails. `a` and
// `b` are comparable. The cache, if there is one, is asked first and gets what is fetched. Errors as
// TreeReader's.
Result<void> for_each_difference(const Source& a, const Source& b, net::Fetcher& fetcher, Cache* cache,
                                 const std::function<Result<void>(std::span<const BlockRange>)>& found);

}  // namespace regild::store
