// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/request_headers.hpp"

#include <catch2/catch.hpp>

using namespace regild;
using namespace regild::format;

TEST_CASE("a file of headers has one a line") {
    const auto headers =
        parse_request_headers("X-Kiosk: 7\n\nCookie:\t a=b; c=d \nAuthorization: Basic eDp5");
    REQUIRE(headers.ok());
    CHECK(*headers ==
          std::vector<std::string>{"X-Kiosk: 7", "Cookie: a=b; c=d", "Authorization: Basic eDp5"});
}

TEST_CASE("what would break requests is no header, and the error repeats nothing of it") {
    using namespace std::string_literals;
    for (const std::string& line : {"hunter2"s,
                                    "X-Key hunter2"s,
                                    ": hunter2"s,
                                    "X Key: hunter2"s,
                                    "X-Key : hunter2"s,
                                    " X-Key: hunter2"s,
                                    "X-Key:"s,
                                    "X-Key: \t"s,
                                    "X-Key: hunter2\r"s,
                                    "X-Key: hun\rRange: bytes=0-1 ter2"s,
                                    "X-Key: hun\0ter2"s,
                                    "X-Key: hunter2\x7f"s,
                                    "X-Key: hunter2\xc3\xa4"s,
                                    "hunter2\r: x"s,
                                    "Range: bytes=0-1"s,
                                    "hOST: evil.example"s,
                                    "Accept-Encoding: gzip"s,
                                    "Content-Length: 3"s,
                                    "Transfer-Encoding: chunked"s,
                                    "If-Range: hunter2"s,
                                    "If-None-Match: hunter2"s,
                                    "Connection: close"s,
                                    "Expect: 100-continue"s,
                                    "Proxy-Authorization: Basic hunter2"s,
                                    "first: hunter2"s}) {
        CAPTURE(line);
        const auto headers = parse_request_headers("First: hunter2\n" + line + "\n");
        REQUIRE_FALSE(headers.ok());
        CHECK(headers.error().kind == Failure::usage);
        CHECK(headers.error().message.find("line 2 ") == 0);
        CHECK(headers.error().message.find("hunter2") == std::string::npos);
    }
    CHECK_FALSE(parse_request_headers("").ok());
    CHECK_FALSE(parse_request_headers("\n\n").ok());
    CHECK_FALSE(parse_request_headers("X: " + std::string(max_headers_size, 'x')).ok());
}

TEST_CASE("a bearer token is one word of a few characters") {
    using namespace std::string_literals;
    CHECK(*parse_bearer_token("abc.DEF-_~+/09==\n") == "Authorization: Bearer abc.DEF-_~+/09==");
    CHECK(*parse_bearer_token("x") == "Authorization: Bearer x");
    for (const std::string& text : {""s, "\n"s, "=="s, "hunter2\n\n"s, "hunter2\r\n"s, " hunter2"s,
                                    "hunter2 x"s, "hun\0ter2"s, "hunter2\nRange: bytes=0-1\n"s, "hun=ter2"s,
                                    "hunter2\xc3\xa4"s, std::string(max_token_size + 1, 'x')}) {
        CAPTURE(text);
        const auto token = parse_bearer_token(text);
        REQUIRE_FALSE(token.ok());
        CHECK(token.error().kind == Failure::usage);
        CHECK(token.error().message.find("hunter2") == std::string::npos);
    }
}
