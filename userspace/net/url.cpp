// SPDX-License-Identifier: GPL-2.0-or-later
// libcurl takes more than RFC 3986 allows, such as "http:/user:secret@host/": only it knows where the
// credentials are.
#include "net/url.hpp"

#include <algorithm>
#include <optional>

#include "net/curl_handle.hpp"

namespace regild::net {
namespace {

std::optional<std::string> part_of(const UrlHandle& handle, CURLUPart part) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), part, &text, 0) != CURLUE_OK) return std::nullopt;
    const CurlText owner(text);
    return text;
}

std::optional<std::string> without_credentials(const UrlHandle& handle) {
    const UrlHandle shown(curl_url_dup(handle.get()));
    if (!shown) return std::nullopt;
    for (const CURLUPart part :
         {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_QUERY, CURLUPART_FRAGMENT})
        if (curl_url_set(shown.get(), part, nullptr, 0) != CURLUE_OK) return std::nullopt;
    return part_of(shown, CURLUPART_URL);
}

std::string origin_in(const UrlHandle& handle) {
    std::string host = part_of(handle, CURLUPART_HOST).value_or("");
    std::ranges::transform(host, host.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    char* port = nullptr;
    curl_url_get(handle.get(), CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    const CurlText owner(port);
    return part_of(handle, CURLUPART_SCHEME).value_or("") + "://" + host + ":" + (port ? port : "");
}

// Each component of a relative path; the dots of "../" stay.
std::string escaped(const std::string& path) {
    std::string result;
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const CurlText component(
            curl_easy_escape(nullptr, path.data() + begin, static_cast<int>(end - begin)));
        if (begin > 0) result += '/';
        if (component) result += component.get();
        begin = end + 1;
    }
    return result;
}

}  // namespace

Result<Url> Url::parse(const std::string& text) {
    const UrlHandle handle(curl_url());
    if (!handle ||
        curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return Error{Failure::usage, "the source is not a valid URL"};
    const std::string scheme = part_of(handle, CURLUPART_SCHEME).value_or("");
    if (scheme != "http" && scheme != "https" && scheme != "file")
        return Error{Failure::usage, "the source is no URL of http, https or file"};
    const std::optional<std::string> shown = without_credentials(handle);
    if (!shown) return Error{Failure::usage, "the source is not a valid URL"};
    Url url;
    url.text_ = text;
    url.shown_ = *shown;
    url.scheme_ = scheme;
    url.origin_ = origin_in(handle);
    return url;
}

// With the flags that libcurl itself follows a redirect with.
std::string Url::origin_of_redirect(const std::string& location) const {
    const UrlHandle handle(curl_url());
    constexpr unsigned as_followed = CURLU_URLENCODE | CURLU_ALLOW_SPACE | CURLU_NON_SUPPORT_SCHEME;
    if (!handle || curl_url_set(handle.get(), CURLUPART_URL, text_.c_str(), 0) != CURLUE_OK ||
        curl_url_set(handle.get(), CURLUPART_URL, location.c_str(), as_followed) != CURLUE_OK)
        return "";
    return origin_in(handle);
}

std::string Url::file_name() const {
    return shown_.substr(shown_.rfind('/') + 1);
}

Result<Url> Url::sibling(const std::string& name) const {
    const UrlHandle handle(curl_url());
    std::optional<std::string> text;
    // Setting a relative URL resolves it against the one that is there.
    if (handle && curl_url_set(handle.get(), CURLUPART_URL, text_.c_str(), 0) == CURLUE_OK &&
        curl_url_set(handle.get(), CURLUPART_URL, escaped(name).c_str(), 0) == CURLUE_OK)
        text = part_of(handle, CURLUPART_URL);
    if (!text) return Error{Failure::usage, shown_ + ": no URL beside it can be made"};
    return parse(*text);
}

Result<Url> parse_document_url(const std::string& text) {
    Result<Url> url = Url::parse(text);
    if (!url) return url;
    const std::string name = url->file_name();
    if (name.size() <= std::string_view(".json").size() || !name.ends_with(".json"))
        return Error{Failure::usage, url->shown() +
                                         " cannot be a source: it must be the URL of a manifest.json or of a "
                                         "channel such as stable.json"};
    return url;
}

}  // namespace regild::net
