// SPDX-License-Identifier: GPL-2.0-or-later
// The head of an HTTP response (seed: tests/fuzz/run writes one): a range is accepted only when status and
// Content-Range say exactly what was asked for.
#include <strings.h>

#include <cstdint>
#include <cstdlib>
#include <sstream>

#include "net/response.hpp"

using namespace regild;
using namespace regild::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A line each: status, Content-Encoding, Content-Range.
    std::istringstream text(std::string(reinterpret_cast<const char*>(data), size));
    ResponseHead head;
    std::string status;
    std::getline(text, status);
    head.status = std::atol(status.c_str());
    std::getline(text, head.content_encoding);
    std::getline(text, head.content_range);
    (void)judge(head, std::nullopt);
    if (judge(head, ByteRange{Bytes(4096), Bytes(65536)}).verdict == Verdict::accept) {
        const std::optional<ContentRange> range = parse_content_range(head.content_range);
        if (head.status != 206 || !range || range->first != 4096 || range->last != 69631) std::abort();
        if (!head.content_encoding.empty() && strcasecmp(head.content_encoding.c_str(), "identity") != 0)
            std::abort();
    }
    return 0;
}
