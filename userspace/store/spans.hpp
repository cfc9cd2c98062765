// SPDX-License-Identifier: GPL-2.0-or-later
// Units of a file that are read together: hash blocks, or pages of an index.
#pragma once

#include <functional>
#include <vector>

#include "net/fetcher.hpp"

namespace regild::store {

struct Span {
    std::uint64_t first;  // units
    std::uint64_t count;
};

// A range for each span, one behind the other in `buffer`, which becomes as long as they are together.
// `offset_of` tells where a unit is in the file.
std::vector<net::Range> ranges_of(const std::vector<Span>& spans, std::size_t unit_size,
                                  const std::function<Bytes(std::uint64_t)>& offset_of, ByteVector& buffer);

}  // namespace regild::store
