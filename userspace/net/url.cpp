// SPDX-License-Identifier: GPL-2.0-or-later
// URLs: what may be shown of them, and the files beside them.
#include "net/curl_handle.hpp"
#include "net/fetcher.hpp"

namespace regild::net {
namespace {

// RFC 3986 section 2.3, and the slash between components.
bool stays_as_it_is(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == '/';
}

std::string percent_encoded(const std::string& path) {
    std::string result;
    for (const char c : path) {
        if (stays_as_it_is(c)) {
            result += c;
        } else {
            const auto byte = static_cast<std::byte>(c);
            result += "%" + to_hex(ConstByteSpan(&byte, 1));
        }
    }
    return result;
}

}  // namespace

std::string without_credentials(const std::string& url) {
    std::string result = url.substr(0, url.find_first_of("?#"));
    const std::size_t scheme_end = result.find("://");
    if (scheme_end == std::string::npos) return result;
    const std::size_t authority = scheme_end + 3;
    const std::size_t authority_end = std::min(result.find('/', authority), result.size());
    const std::size_t at = result.rfind('@', authority_end);
    if (at != std::string::npos && at >= authority && at < authority_end)
        result.erase(authority, at + 1 - authority);
    return result;
}

Result<std::string> sibling(const std::string& url, const std::string& name) {
    const UrlHandle handle(curl_url());
    char* text = nullptr;
    // Setting a relative URL resolves it against the one that is there, RFC 3986 section 5.2.
    if (!handle || curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
        curl_url_set(handle.get(), CURLUPART_URL, percent_encoded(name).c_str(), 0) != CURLUE_OK ||
        curl_url_get(handle.get(), CURLUPART_URL, &text, 0) != CURLUE_OK)
        // What is wrong with it may be its password: it is not shown.
        return Error{Failure::usage, "the source is not a valid URL"};
    const CurlText owner(text);
    return std::string(text);
}

}  // namespace regild::net
