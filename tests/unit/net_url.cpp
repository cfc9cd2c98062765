// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/url.hpp"

#include <catch2/catch.hpp>

#include "url.hpp"

namespace regild::net {
namespace {

using test::url;

TEST_CASE("a URL is shown without user name, password and query") {
    REQUIRE(url("http://h/a/b.json").shown() == "http://h/a/b.json");
    REQUIRE(url("https://user:secret@h:8080/a").shown() == "https://h:8080/a");
    REQUIRE(url("https://user@h/").shown() == "https://h/");
    REQUIRE(url("http://h/a?token=secret").shown() == "http://h/a");
    REQUIRE(url("http://h/a#secret").shown() == "http://h/a");
    REQUIRE(url("http://h/a@b").shown() == "http://h/a@b");
    REQUIRE(url("file:///srv/a").shown() == "file:///srv/a");
}

TEST_CASE("the password of an odd URL is not shown, be the URL usable or not") {
    for (const char* text :
         {"http:/user:secret@h/a", "http:///user:secret@h/a", "user:secret@h/a", "https://us@er:secret@h/a",
          "http://user:se?cret@h/a", "http://user:se/cret@h/a", "http://user:se#cret@h/a",
          "http://user:secret @h/a", "ftp://user:secret@h/a", "secret"}) {
        const Result<Url> parsed = Url::parse(text);
        const std::string shown = parsed ? parsed->shown() : parsed.error().message;
        INFO(text << " is shown as " << shown);
        CHECK(shown.find("secret") == std::string::npos);
        CHECK(shown.find("cret@") == std::string::npos);
    }
}

TEST_CASE("an origin is scheme, host and port, and a redirect is resolved as it is followed") {
    CHECK(url("http://user:secret@Host.Example/a?b").origin() == "http://host.example:80");
    CHECK(url("https://h/").origin() == url("HTTPS://H:443/x").origin());
    CHECK(url("http://h/").origin() != url("http://h:8080/").origin());
    CHECK(url("http://h/").origin() != url("https://h:80/").origin());
    const net::Url from = url("https://h/kiosk/1/image.zst");
    for (const char* stays : {"/x", "x", "../2/x", "?y", "https://H:443/z", "//h/x"}) {
        CAPTURE(stays);
        CHECK(from.origin_of_redirect(stays) == from.origin());
    }
    for (const char* leaves : {"//evil/x", "https://h:444/", "http://h/", "https://h.evil/",
                               "https://h@evil/", "https://evil/h/", "ftp://h/", "https://"}) {
        CAPTURE(leaves);
        CHECK(from.origin_of_redirect(leaves) != from.origin());
    }
}

TEST_CASE("only http, https and file URLs are any") {
    for (const char* text : {"ftp://h/a", "/srv/store/stable.json", "gopher://h/", "http://", ""}) {
        const Result<Url> parsed = Url::parse(text);
        CAPTURE(text);
        REQUIRE_FALSE(parsed.ok());
        CHECK(parsed.error().kind == Failure::usage);
    }
}

TEST_CASE("a sibling replaces the last component and drops the query") {
    const auto sibling = [](const char* text, const char* name) {
        return url(text).sibling(name)->with_credentials();
    };
    REQUIRE(sibling("http://h/kiosk/1/manifest.json", "image.raw") == "http://h/kiosk/1/image.raw");
    REQUIRE(sibling("http://h/kiosk/stable.json?x=1", "3/manifest.json") == "http://h/kiosk/3/manifest.json");
    REQUIRE(sibling("http://h/kiosk/1/manifest.json", "../2/manifest.json") ==
            "http://h/kiosk/2/manifest.json");
    REQUIRE(sibling("https://u:p@h:81/a/b", "c") == "https://u:p@h:81/a/c");
    REQUIRE(sibling("file:///srv/store/a", "b") == "file:///srv/store/b");
    REQUIRE(sibling("http://h/a", "with space?#%") == "http://h/with%20space%3F%23%25");
}

TEST_CASE("a source is a document behind http, https or file") {
    for (const char* good : {"http://h/kiosk/stable.json", "https://u:p@h:8443/a/7/manifest.json?token=x",
                             "file:///srv/store/kiosk/stable.json"})
        CHECK(parse_document_url(good).ok());
    for (const char* bad :
         {"", "stable", "/srv/store/kiosk/stable.json", "ftp://h/stable.json", "http://h", "http://h/kiosk/",
          "http://u:secret@h/kiosk/stable.jsn", "http://h/kiosk/.json", "http://u:secret@h:x/stable.json"}) {
        const Result<Url> parsed = parse_document_url(bad);
        INFO(bad);
        REQUIRE_FALSE(parsed.ok());
        CHECK(parsed.error().kind == Failure::usage);
        CHECK(parsed.error().message.find("secret") == std::string::npos);
    }
}

}  // namespace
}  // namespace regild::net
