// SPDX-License-Identifier: GPL-2.0-or-later
// Response heads are a stranger's bytes: everything that is not exactly what was asked for is refused.
#include "net/response.hpp"

#include <algorithm>
#include <charconv>

#include "base/text.hpp"

namespace regild::net {
namespace {

// Takes a decimal number off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

// What a stranger sent, fit for one line of a terminal.
std::string in_quotes(std::string_view text) {
    return "'" + printable(text.substr(0, 80)) + "'";
}

Judgement judge_range(const ResponseHead& head, const ByteRange& range) {
    const std::uint64_t first = range.offset.count();
    const std::uint64_t last = first + range.length.count() - 1;
    const std::optional<ContentRange> got = parse_content_range(head.content_range);
    if (!got || got->first != first || got->last != last || (got->total && *got->total <= last))
        return {Verdict::refuse, "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                     " were asked for, but the server's Content-Range is " +
                                     in_quotes(head.content_range) +
                                     ": check the server or the cache before it"};
    return {};
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view value) {
    ContentRange range;
    if (!take(value, "bytes ")) return std::nullopt;
    const auto first = take_number(value);
    if (!first || !take(value, "-")) return std::nullopt;
    const auto last = take_number(value);
    if (!last || *last < *first || !take(value, "/")) return std::nullopt;
    range.first = *first;
    range.last = *last;
    if (value == "*") return range;
    range.total = take_number(value);
    if (!range.total || !value.empty()) return std::nullopt;
    return range;
}

Judgement judge(const ResponseHead& head, const std::optional<ByteRange>& range) {
    const long status = head.status;
    const std::string answered = "the server answered " + std::to_string(status);
    if (status >= 100 && status < 200) return {Verdict::pass_by, ""};
    if (status >= 300 && status < 400 && head.has_location) return {Verdict::pass_by, ""};
    if (status == 408 || status == 429 || status >= 500) return {Verdict::retry, answered};
    if (status == 401 || status == 403)
        return {Verdict::refuse,
                answered +
                    ": check the user name and password or the token, and whether a signed URL has expired"};
    if (status == 407) return {Verdict::refuse, "the proxy answered 407: check its user name and password"};
    if (status == 404 || status == 410)
        return {Verdict::refuse, answered + ": there is no such file; check the URL and what is published"};
    if (status == 416)
        return {Verdict::refuse, answered + ": its file is shorter than the manifest says; publish it again"};
    if (range && status == 200)
        return {Verdict::refuse,
                "the server does not support range requests (it answered 200 to one): use one that does"};
    if (status != (range ? 206 : 200)) return {Verdict::refuse, answered};
    if (!head.content_encoding.empty() && lower(head.content_encoding) != "identity")
        return {Verdict::refuse, "the server sends the file encoded as " + in_quotes(head.content_encoding) +
                                     ": switch its compression off for the store"};
    return range ? judge_range(head, *range) : Judgement{};
}

}  // namespace regild::net
