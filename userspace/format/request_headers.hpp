// SPDX-License-Identifier: GPL-2.0-or-later
// What an owner adds to each request, from files. All of it is secret: no error repeats any of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace regild::format {

inline constexpr std::size_t max_token_size = 8192;     // bytes
inline constexpr std::size_t max_headers_size = 16384;  // bytes of the whole file

// "Name: value" each, one a line, with at least one byte of printable ASCII as the value. Failure::usage
// names the line: a carriage return or another control character, no name, a name that comes twice, and every
// name by which ranges, the connection or the proxy would be told something else.
Result<std::vector<std::string>> parse_request_headers(std::string_view text);

// Whether a header of that list is Authorization.
bool is_authorization(const std::string& header);

// The header with the bearer token (RFC 6750 section 2.1) that a file has, with a newline behind it or none.
Result<std::string> parse_bearer_token(std::string_view text);

}  // namespace regild::format
