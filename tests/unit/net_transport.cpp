// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/transport.hpp"

#include <catch2/catch.hpp>

namespace regild::net {
namespace {

TEST_CASE("a proxy is a URL of http, https or socks5 with a host and no path") {
    for (const char* good : {"http://proxy:3128", "https://proxy", "http://proxy:3128/",
                             "socks5://127.0.0.1:1080", "socks5h://user:secret@[::1]:1080"}) {
        CAPTURE(good);
        const Result<ProxyUrl> proxy = ProxyUrl::parse(good);
        REQUIRE(proxy.ok());
        CHECK(proxy->with_credentials() == good);
        CHECK(proxy->has_credentials() == (std::string(good).find('@') != std::string::npos));
    }
    for (const char* bad : {"", "proxy:3128", "secret@proxy", "ftp://secret@proxy", "socks4://secret@proxy",
                            "http://", "http://secret@proxy/path", "http://secret@proxy?query",
                            "http://secret@proxy#x", "file:///secret", "http://user:secret\n@proxy"}) {
        CAPTURE(bad);
        const Result<ProxyUrl> proxy = ProxyUrl::parse(bad);
        REQUIRE_FALSE(proxy.ok());
        CHECK(proxy.error().kind == Failure::usage);
        CHECK(proxy.error().message.find("secret") == std::string::npos);
    }
}

}  // namespace
}  // namespace regild::net
