// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/spans.hpp"

namespace regild::store {

std::vector<net::Range> ranges_of(const std::vector<Span>& spans, std::size_t unit_size,
                                  const std::function<Bytes(std::uint64_t)>& offset_of, ByteVector& buffer) {
    std::uint64_t total = 0;
    for (const Span& span : spans)
        total += span.count;
    buffer.resize(total * unit_size);
    std::vector<net::Range> ranges;
    std::size_t position = 0;
    for (const Span& span : spans) {
        const std::size_t length = span.count * unit_size;
        ranges.push_back({offset_of(span.first), ByteSpan(buffer).subspan(position, length)});
        position += length;
    }
    return ranges;
}

}  // namespace regild::store
