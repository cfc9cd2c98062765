// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/transport.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "net/curl_handle.hpp"

namespace regild::net {
namespace {

// "" where the URL has none.
std::string text_of(const UrlHandle& url, CURLUPart part) {
    char* text = nullptr;
    if (curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) return "";
    const CurlText owner(text);
    return text;
}

bool has(const UrlHandle& url, CURLUPart part) {
    return !text_of(url, part).empty();
}

}  // namespace

Result<ProxyUrl> ProxyUrl::parse(const std::string& text) {
    const Error wrong{Failure::usage,
                      "the proxy must be a URL of http, https, socks5 or socks5h with a host and no path"};
    const UrlHandle url(curl_url());
    if (!url || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return wrong;
    constexpr std::array<std::string_view, 4> schemes{"http", "https", "socks5", "socks5h"};
    const std::string scheme = text_of(url, CURLUPART_SCHEME);
    const std::string path = text_of(url, CURLUPART_PATH);
    if (std::ranges::find(schemes, scheme) == schemes.end() || !has(url, CURLUPART_HOST) ||
        (path != "/" && !path.empty()) || has(url, CURLUPART_QUERY) || has(url, CURLUPART_FRAGMENT))
        return wrong;
    ProxyUrl proxy;
    proxy.text_ = text;
    proxy.has_credentials_ = has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD);
    return proxy;
}

}  // namespace regild::net
