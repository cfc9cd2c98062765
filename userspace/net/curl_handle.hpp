// SPDX-License-Identifier: GPL-2.0-or-later
// libcurl's handles with owners.
#pragma once

#include <curl/curl.h>

#include <memory>

namespace regild::net {

struct CloseEasy {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
    void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct CloseUrl {
    void operator()(CURLU* handle) const { curl_url_cleanup(handle); }
};
struct FreeText {
    void operator()(char* text) const { curl_free(text); }
};

using EasyHandle = std::unique_ptr<CURL, CloseEasy>;
using MultiHandle = std::unique_ptr<CURLM, CloseMulti>;
using HeaderList = std::unique_ptr<curl_slist, FreeList>;
using UrlHandle = std::unique_ptr<CURLU, CloseUrl>;
using CurlText = std::unique_ptr<char, FreeText>;

}  // namespace regild::net
