// SPDX-License-Identifier: GPL-2.0-or-later
#include <catch2/catch.hpp>

#include "net/fetcher.hpp"

namespace regild::net {
namespace {

TEST_CASE("a URL is shown without user name, password and query") {
    REQUIRE(without_credentials("http://h/a/b.json") == "http://h/a/b.json");
    REQUIRE(without_credentials("https://user:secret@h:8080/a") == "https://h:8080/a");
    REQUIRE(without_credentials("https://user@h/") == "https://h/");
    REQUIRE(without_credentials("http://h/a?token=secret") == "http://h/a");
    REQUIRE(without_credentials("http://h/a#secret") == "http://h/a");
    REQUIRE(without_credentials("http://h/a@b") == "http://h/a@b");
    REQUIRE(without_credentials("file:///srv/a") == "file:///srv/a");
}

TEST_CASE("the password of an odd URL is not shown, be the URL usable or not") {
    for (const char* url :
         {"http:/user:secret@h/a", "http:///user:secret@h/a", "user:secret@h/a", "https://us@er:secret@h/a",
          "http://user:se?cret@h/a", "http://user:se/cret@h/a", "http://user:se#cret@h/a",
          "http://user:secret @h/a", "ftp://user:secret@h/a", "secret"}) {
        const std::string shown = without_credentials(url);
        INFO(url << " is shown as " << shown);
        CHECK(shown.find("se") == std::string::npos);
        CHECK(shown.find("cret") == std::string::npos);
    }
}

TEST_CASE("a sibling replaces the last component and drops the query") {
    REQUIRE(*sibling("http://h/kiosk/1/manifest.json", "image.raw") == "http://h/kiosk/1/image.raw");
    REQUIRE(*sibling("http://h/kiosk/stable.json?x=1", "3/manifest.json") ==
            "http://h/kiosk/3/manifest.json");
    REQUIRE(*sibling("http://h/kiosk/1/manifest.json", "../2/manifest.json") ==
            "http://h/kiosk/2/manifest.json");
    REQUIRE(*sibling("https://u:p@h:81/a/b", "c") == "https://u:p@h:81/a/c");
    REQUIRE(*sibling("file:///srv/store/a", "b") == "file:///srv/store/b");
    REQUIRE(*sibling("http://h/a", "with space") == "http://h/with%20space");
}

TEST_CASE("what is no URL has no sibling, and the error does not repeat it") {
    const Result<std::string> none = sibling("http://user:se/cret@h/a", "b");
    REQUIRE_FALSE(none.ok());
    REQUIRE(none.error().kind == Failure::usage);
    REQUIRE(none.error().message.find("cret") == std::string::npos);
    REQUIRE_FALSE(sibling("/srv/store/stable.json", "b").ok());
}

}  // namespace
TEST_CASE("a source is a document behind http, https or file") {
    for (const char* good : {"http://h/kiosk/stable.json", "https://u:p@h:8443/a/7/manifest.json?token=x",
                             "file:///srv/store/kiosk/stable.json"})
        CHECK(check_document_url(good).ok());
    for (const char* bad :
         {"", "stable", "/srv/store/kiosk/stable.json", "ftp://h/stable.json", "http://h", "http://h/kiosk/",
          "http://u:secret@h/kiosk/stable.jsn", "http://h/kiosk/.json", "http://u:secret@h:x/stable.json"}) {
        const Result<void> checked = check_document_url(bad);
        INFO(bad);
        REQUIRE_FALSE(checked.ok());
        CHECK(checked.error().kind == Failure::usage);
        CHECK(checked.error().message.find("secret") == std::string::npos);
    }
}

}  // namespace regild::net
