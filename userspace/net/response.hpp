// SPDX-License-Identifier: GPL-2.0-or-later
// The head of an HTTP response, and whether its body is what was asked for. Pure: no libcurl here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/units.hpp"

namespace regild::net {

struct ByteRange {
    Bytes offset;
    Bytes length;
};

struct ContentRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::optional<std::uint64_t> total;  // "*" is none
};
// The value of a Content-Range header, RFC 9110 section 14.4; nothing when it is anything else.
std::optional<ContentRange> parse_content_range(std::string_view value);

// Of several headers of one name the values that differ, with commas between them.
struct ResponseHead {
    long status = 0;
    bool has_location = false;
    std::string content_encoding;
    std::string content_range;
};

enum class Verdict {
    accept,   // the body is what was asked for
    pass_by,  // an interim response or a redirect: another head follows
    retry,    // the server cannot answer now
    refuse,   // asking again will not help
};
struct Judgement {
    Verdict verdict = Verdict::accept;
    std::string reason;  // for people; empty for accept and pass_by
};

// Judges the head of the answer to a request for `range`, or for the whole resource.
Judgement judge(const ResponseHead& head, const std::optional<ByteRange>& range);

}  // namespace regild::net
