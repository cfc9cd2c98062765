// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/request_headers.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace regild::format {
namespace {

constexpr std::array<std::string_view, 16> ours{"range",
                                                "if-range",
                                                "if-match",
                                                "if-none-match",
                                                "if-modified-since",
                                                "if-unmodified-since",
                                                "host",
                                                "accept-encoding",
                                                "content-length",
                                                "transfer-encoding",
                                                "te",
                                                "trailer",
                                                "connection",
                                                "upgrade",
                                                "expect",
                                                "keep-alive"};

std::string lower(std::string_view text) {
    std::string result(text);
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return result;
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// RFC 9110 section 5.6.2.
bool is_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return is_alphanumeric(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    const std::size_t end = text.find_last_not_of(" \t");
    return text.substr(begin, end == std::string_view::npos ? 0 : end + 1 - begin);
}

}  // namespace

Result<std::vector<std::string>> parse_request_headers(std::string_view text) {
    if (text.size() > max_headers_size)
        return Error{Failure::usage, "it is longer than " + std::to_string(max_headers_size) + " bytes"};
    std::vector<std::string> headers;
    std::set<std::string> names;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.empty()) continue;
        const auto wrong = [number](const std::string& what) {
            return Error{Failure::usage, "line " + std::to_string(number) + " " + what};
        };
        if (!std::ranges::all_of(line, [](char c) { return c == '\t' || (c >= ' ' && c <= '~'); }))
            return wrong("has a control character, a carriage return perhaps, or one that is not ASCII");
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !is_name(line.substr(0, colon)))
            return wrong("is no header: it must be 'Name: value'");
        const std::string_view value = trimmed(line.substr(colon + 1));
        if (value.empty()) return wrong("has a header without a value");
        const std::string name = lower(line.substr(0, colon));
        if (std::ranges::find(ours, name) != ours.end() || name.starts_with("proxy-"))
            return wrong("has a header that is regild's own to send, such as Host or Range");
        if (!names.insert(name).second) return wrong("has a header that an earlier line has, too");
        headers.push_back(std::string(line.substr(0, colon)) + ": " + std::string(value));
    }
    if (headers.empty()) return Error{Failure::usage, "it has no header"};
    return headers;
}

bool is_authorization(const std::string& header) {
    return lower(header.substr(0, header.find(':'))) == "authorization";
}

Result<std::string> parse_bearer_token(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.size() > max_token_size)
        return Error{Failure::usage, "it is longer than " + std::to_string(max_token_size) + " bytes"};
    const std::string_view body = text.substr(0, text.find_last_not_of('=') + 1);
    if (body.empty() || !std::ranges::all_of(body, [](char c) {
            return is_alphanumeric(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
        }))
        return Error{Failure::usage,
                     "it must be one token of letters, digits and -._~+/= and a newline at most"};
    return "Authorization: Bearer " + std::string(text);
}

}  // namespace regild::format
