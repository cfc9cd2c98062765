// SPDX-License-Identifier: GPL-2.0-or-later
// The head of an HTTP response (seed: tests/fuzz/run writes one): a range is accepted only when status and
// Content-Range say exactly what was asked for.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "net/response.hpp"

using namespace regild;
using namespace regild::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    ResponseHead head;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        head.add_line(text.substr(0, end));
        text.remove_prefix(end);
    }
    (void)judge(head, std::nullopt);
    if (judge(head, ByteRange{Bytes(4096), Bytes(65536)}).verdict == Verdict::accept) {
        const std::optional<ContentRange> range = parse_content_range(head.content_range);
        if (head.status != 206 || !range || range->first != 4096 || range->last != 69631) std::abort();
        if (!head.content_encoding.empty() && head.content_encoding != "identity") std::abort();
    }
    return 0;
}
