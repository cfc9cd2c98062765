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
    CHECK(c->offline.policy == OfflinePolicy::wait);
    CHECK_FALSE(c->offline.patience);
    CHECK(c->offline.message.empty());
    CHECK_FALSE(c->offline.reboot);
    CHECK(c->limit_rate == Bytes(0));
    CHECK_FALSE(c->max_fetch);
    CHECK(c->start_jitter == std::chrono::seconds(0));
    CHECK_FALSE(c->adopt);
    CHECK_FALSE(c->allow_downgrade);
    CHECK_FALSE(c->allow_off);
    CHECK_FALSE(c->allow_thaw);
    CHECK_FALSE(c->read_back);
    CHECK_FALSE(c->allow_discards);
    CHECK(c->device_timeout == std::chrono::seconds(30));
}

TEST_CASE("a configuration may say everything") {
    const auto c = parse_configuration(test::golden_text("configuration/valid-full.json"));
    REQUIRE(c.ok());
    CHECK(c->source == "file:/srv/store/kiosk/7/manifest.json");
    CHECK(c->mirrors == std::vector<std::string>{"https://images.example/kiosk/7/manifest.json"});
    CHECK(c->cache == "PARTLABEL=kiosk-cache");
    CHECK(c->golden_copy == "PARTLABEL=kiosk-rescue");
    CHECK(c->offline.policy == OfflinePolicy::boot);
    CHECK(c->offline.patience == std::chrono::seconds(300));
    CHECK(c->offline.most_boots == 3);
    CHECK(c->offline.message == "Kein Netz. Bitte melden: Telefon 47 11 \u2013 danke.");
    CHECK(c->offline.reboot == std::chrono::seconds(600));
    CHECK(c->tls_ca == "/etc/regild/ca.pem");
    CHECK(c->tls_cert == "/etc/regild/kiosk.pem");
    CHECK(c->tls_key == "/etc/regild/kiosk.key");
    CHECK(c->proxy == "socks5h://user:secret@proxy.example:1080");
    CHECK(c->bearer_token_file == "/etc/regild/token");
    CHECK(c->headers_file == "/etc/regild/headers");
    CHECK(c->limit_rate == KiB(500));
    CHECK(c->max_fetch == MiB(20));
    CHECK(c->start_jitter == std::chrono::seconds(90));
    CHECK(c->adopt);
    CHECK(c->allow_downgrade);
    CHECK(c->allow_off);
    CHECK(c->allow_thaw);
    CHECK(c->read_back);
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
          Case{"cache", "'cache' must be a device of its own"},
          Case{"golden-copy", "'golden_copy' must be a device of its own"}, Case{"offline", "'offline'"},
          Case{"tls", "'tls_ca' must not be empty"}, Case{"timeout", "'device_timeout'"},
          Case{"not-json", "not JSON"}}) {
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

TEST_CASE("what is to happen without a server has limits, and nothing is said that no policy heeds") {
    const auto parse = [](const std::string& keys) {
        return parse_configuration(R"({"data": "a", "log": "b", "source": "c", "name": "d", )" + keys + "}");
    };
    const auto boot = parse(R"("offline": "boot")");
    REQUIRE(boot.ok());
    CHECK(boot->offline.patience == std::chrono::seconds(60));
    CHECK(boot->offline.most_boots == 10);
    CHECK(
        parse(R"("offline": "halt", "offline_reboot": 1, "offline_message": ")" + std::string(400, 'x') + '"')
            .ok());
    CHECK(parse(R"("offline_patience": 86400)").ok());
    struct Case {
        std::string keys;
        const char* message;
    };
    for (const Case& c : {
             Case{R"("offline": "boots")", "'offline' must be \"wait\", \"halt\" or \"boot\""},
             Case{R"("offline_patience": 86401)",
                  "'offline_patience' must be a whole number from 0 to 86400"},
             Case{R"("offline": "halt", "offline_patience": 5)", "'offline_patience' has no meaning"},
             Case{R"("offline": "boot", "offline_boots": 0)",
                  "'offline_boots' must be a whole number from 1"},
             Case{R"("offline_boots": 3)", "'offline_boots' has a meaning only with \"offline\": \"boot\""},
             Case{R"("offline_reboot": 0)", "'offline_reboot' must be a whole number from 1 to 86400"},
             Case{R"("offline_message": "")", "'offline_message' must not be empty"},
             Case{R"("offline_message": "\u001b[2J")",
                  "'offline_message' must not contain control characters"},
             Case{R"("offline_message": ")" + std::string(401, 'x') + '"',
                  "'offline_message' must not have more than 400 bytes"},
         }) {
        const auto refused = parse(c.keys);
        REQUIRE_FALSE(refused.ok());
        INFO(refused.error().message);
        CHECK(refused.error().kind == Failure::usage);
        CHECK(refused.error().message.find(c.message) != std::string::npos);
    }
}

TEST_CASE("a limit of the rate is a size of 16 KiB or more") {
    const auto with = [](const std::string& value) {
        return parse_configuration(R"({"data": "a", "log": "b", "source": "c", "name": "d", "limit_rate": )" +
                                   value + "}");
    };
    CHECK(with(R"("16K")")->limit_rate == KiB(16));
    for (const char* bad : {R"("15K")", R"("0")", R"("")", R"("fast")", "500000"}) {
        CAPTURE(bad);
        REQUIRE_FALSE(with(bad).ok());
        CHECK(with(bad).error().message.find("'limit_rate'") != std::string::npos);
    }
}
