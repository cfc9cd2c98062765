// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/transport.hpp"

#include <catch2/catch.hpp>

namespace regild::cli {

TEST_CASE("a rate on the command line lowers that of the configuration, and never raises it") {
    const auto rate_of = [](Bytes configured, std::vector<std::string> words) {
        words.insert(words.begin(), {"fill", "--cache", "DEV"});
        format::Configuration configuration;
        configuration.limit_rate = configured;
        const Arguments arguments = parse_arguments(cache_command, words).value();
        REQUIRE(take_transport(arguments, configuration).ok());
        return fetch_options_of(configuration).value().limit_rate;
    };
    CHECK(rate_of(Bytes(0), {}) == Bytes(0));
    CHECK(rate_of(Bytes(0), {"--limit-rate", "2M"}) == MiB(2));
    CHECK(rate_of(KiB(500), {}) == KiB(500));
    CHECK(rate_of(KiB(500), {"--limit-rate", "2M"}) == KiB(500));
    CHECK(rate_of(KiB(500), {"--limit-rate", "100K"}) == KiB(100));
}

}  // namespace regild::cli
