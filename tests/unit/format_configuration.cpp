// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/configuration.hpp"

#include <catch2/catch.hpp>

#include "format_golden.hpp"

using namespace regild;
using namespace regild::format;

TEST_CASE("a configuration needs four keys; the rest has defaults") {
    const auto c = parse_configuration(test::golden_text("configuration/valid-minimal.json"));
    REQUIRE(c.ok());
    CHECK(c->data == "PARTLABEL=kiosk");
    CHECK(c->log == "PARTLABEL=kiosk-log");
    CHECK(c->source == "http://images.example/kiosk/stable.json");
    CHECK(c->name == "kiosk");
    CHECK(c->offline == OfflinePolicy::wait);
    CHECK_FALSE(c->adopt);
    CHECK_FALSE(c->allow_downgrade);
    CHECK_FALSE(c->allow_off);
    CHECK_FALSE(c->allow_discards);
    CHECK(c->device_timeout == std::chrono::seconds(30));
}

TEST_CASE("a configuration may say everything") {
    const auto c = parse_configuration(test::golden_text("configuration/valid-full.json"));
    REQUIRE(c.ok());
    CHECK(c->source == "file:/srv/store/kiosk/7/manifest.json");
    CHECK(c->mirrors == std::vector<std::string>{"https://images.example/kiosk/7/manifest.json"});
    CHECK(c->cache == "PARTLABEL=kiosk-cache");
    CHECK(c->offline == OfflinePolicy::halt);
    CHECK(c->adopt);
    CHECK(c->allow_downgrade);
    CHECK(c->allow_off);
    CHECK(c->allow_discards);
    CHECK(c->device_timeout == std::chrono::seconds(0));
}

TEST_CASE("what is wrong with a configuration is named and is the user's to mend") {
    struct Case {
        const char* file;
        const char* message;
    };
    for (const Case& c :
         {Case{"unknown-key", "'adpot' is not a known key"}, Case{"duplicate-key", "'data' comes twice"},
          Case{"missing-log", "'log' is missing"}, Case{"wrong-type", "'adopt' must be true or false"},
          Case{"name", "'name'"}, Case{"no-sources", "'source' must be one URL, or a list of 1 to 16"},
          Case{"cache", "'cache' must be a device of its own"}, Case{"offline", "'offline'"},
          Case{"timeout", "'device_timeout'"}, Case{"not-json", "not JSON"}}) {
        const auto configuration =
            parse_configuration(test::golden_text(std::string("configuration/invalid-") + c.file + ".json"));
        REQUIRE_FALSE(configuration.ok());
        INFO(configuration.error().message);
        CHECK(configuration.error().kind == Failure::usage);
        CHECK(configuration.error().message.find(c.message) != std::string::npos);
    }
    CHECK_FALSE(parse_configuration(R"({"data": "", "log": "b", "source": "c", "name": "d"})").ok());
    CHECK_FALSE(parse_configuration(R"({"data": "a\n", "log": "b", "source": "c", "name": "d"})").ok());
}
