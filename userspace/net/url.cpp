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

// libcurl takes more than RFC 3986 allows, such as "http:/user:secret@host/": only it knows where the
// credentials are.
std::string without_credentials(const std::string& url) {
    const UrlHandle handle(curl_url());
    char* text = nullptr;
    bool done = handle &&
                curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    for (const CURLUPart part :
         {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY, CURLUPART_FRAGMENT})
        done = done && curl_url_set(handle.get(), part, nullptr, 0) == CURLUE_OK;
    if (!done || curl_url_get(handle.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) return "(not a valid URL)";
    const CurlText owner(text);
    return text;
}

Result<void> check_document_url(const std::string& url) {
    const UrlHandle handle(curl_url());
    char* text = nullptr;
    const auto part = [&](CURLUPart which) -> std::string {
        if (curl_url_get(handle.get(), which, &text, 0) != CURLUE_OK) return "";
        const CurlText owner(text);
        return text;
    };
    if (!handle ||
        curl_url_set(handle.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return Error{Failure::usage, "the source is not a valid URL"};
    const std::string scheme = part(CURLUPART_SCHEME);
    if (scheme != "http" && scheme != "https" && scheme != "file")
        return Error{Failure::usage, "the source is no URL of http, https or file"};
    const std::string path = part(CURLUPART_PATH);
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (name.size() <= std::string_view(".json").size() || !name.ends_with(".json"))
        return Error{Failure::usage, without_credentials(url) +
                                         " cannot be a source: it must be the URL of a manifest.json or of a "
                                         "channel such as stable.json"};
    return {};
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
