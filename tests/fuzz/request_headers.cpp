// SPDX-License-Identifier: GPL-2.0-or-later
// A file of request headers, and one of a bearer token: nothing in them may end the line that it stands in.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "format/request_headers.hpp"

using namespace regild;

namespace {

bool is_one_line(const std::string& header) {
    return header.find(": ") != std::string::npos &&
           std::ranges::none_of(header, [](unsigned char c) { return (c < 0x20 && c != '\t') || c >= 0x7f; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto headers = format::parse_request_headers(text);
    if (headers && !std::ranges::all_of(*headers, is_one_line)) std::abort();
    const auto token = format::parse_bearer_token(text);
    if (token && (!is_one_line(*token) || !format::is_authorization(*token))) std::abort();
    for (const Error* error : {headers ? nullptr : &headers.error(), token ? nullptr : &token.error()})
        if (error && error->kind != Failure::usage) std::abort();
    return 0;
}
