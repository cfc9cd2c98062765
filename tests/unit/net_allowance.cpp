// SPDX-License-Identifier: GPL-2.0-or-later
// A fetcher that may bring only so much over a network.
#include <catch2/catch.hpp>

#include "net/fetcher.hpp"
#include "net_server.hpp"
#include "temporary_directory.hpp"
#include "url.hpp"

namespace regild::net {
namespace {

using test::broken_off;
using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using test::partial_content;

constexpr std::size_t range_size = 5000;
constexpr std::size_t pieces = 20;
const std::string file(pieces* range_size, 'x');

struct Fetching {
    explicit Fetching(Bytes most) { fetcher->allow(most); }
    Result<void> operator()(const std::string& url, std::size_t count, Result<void> verdict = {}) {
        ByteVector buffer(count * range_size);
        std::vector<Range> ranges;
        for (std::size_t i = 0; i < count; ++i)
            ranges.push_back({Bytes(i * range_size), ByteSpan(buffer).subspan(i * range_size, range_size)});
        const auto take = [&](std::size_t) -> Result<void> {
            if (verdict) ++arrived;
            return verdict;
        };
        return fetcher->get_ranges(test::url(url), ranges, take, [](Bytes) {});
    }
    Bytes over_network() const { return fetcher->totals().over_network; }

    const StopFlag stop;
    std::unique_ptr<Fetcher> fetcher = make_http_fetcher({}, stop);
    std::size_t arrived = 0;
};

void require_exceeded(const Result<void>& result) {
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().kind == Failure::refused);
    REQUIRE(result.error().message.find("allow more with --max-fetch") != std::string::npos);
}

TEST_CASE("no request is made for more than may yet come, and those before it come whole") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    Fetching fetch(Bytes(6 * range_size - 1));
    require_exceeded(fetch(server.url("/image.zst"), pieces));
    CHECK(fetch.arrived == 5);
    CHECK(fetch.over_network() == Bytes(5 * range_size));
    CHECK(fetch.fetcher->totals().requests == 5);

    fetch.fetcher->allow(Bytes((5 + pieces) * range_size));
    REQUIRE(fetch(server.url("/image.zst"), pieces).ok());
    CHECK(fetch.over_network() == Bytes((5 + pieces) * range_size));
    require_exceeded(fetch(server.url("/image.zst"), 1));
    fetch.fetcher->allow({});
    REQUIRE(fetch(server.url("/image.zst"), 1).ok());
}

TEST_CASE("what broke off counts as what is allowed to come") {
    std::size_t sent = 0;
    HttpServer server([&](const HttpRequest& request) {
        sent += range_size / 2;
        return broken_off(partial_content(file, request));
    });
    Fetching fetch(Bytes(3 * range_size - 1));
    require_exceeded(fetch(server.url("/image.zst"), 1));
    CHECK(sent == 2 * range_size);
    CHECK(fetch.over_network() == Bytes(sent));
}

TEST_CASE("what came wrong counts as what is allowed to come") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    Fetching fetch(Bytes(3 * range_size));
    require_exceeded(fetch(server.url("/image.zst"), 1, Error{Failure::source, "block 7 is wrong"}));
    CHECK(fetch.over_network() == Bytes(3 * range_size));
}

TEST_CASE("what a redirect says counts as what is allowed to come") {
    std::string said(100, 'x');
    HttpServer server([&](const HttpRequest& request) {
        if (request.path == "/there") return partial_content(file, request);
        return HttpReply{"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: " +
                         std::to_string(said.size()) + "\r\n\r\n" + said};
    });
    Fetching fetch(Bytes(range_size + 100));
    REQUIRE(fetch(server.url("/image.zst"), 1).ok());
    CHECK(fetch.over_network() == Bytes(range_size + 100));
    CHECK(fetch.fetcher->totals().received == Bytes(range_size));

    said.resize(4 << 20);
    fetch.fetcher->allow(MiB(1));
    require_exceeded(fetch(server.url("/image.zst"), 1));
    CHECK(fetch.over_network() <= MiB(1));
    CHECK(fetch.arrived == 1);
}

TEST_CASE("files come without an allowance") {
    const test::TemporaryDirectory directory;
    test::write_file(directory / "image.zst", file);
    Fetching fetch(Bytes(0));
    REQUIRE(fetch("file://" + (directory / "image.zst").string(), pieces).ok());
    CHECK(fetch.over_network() == Bytes(0));
    CHECK(fetch.fetcher->totals().received == Bytes(file.size()));
}

TEST_CASE("of a whole file as much may come as it may be long") {
    HttpServer server([](const HttpRequest&) { return test::whole_content("0123456789"); });
    Fetching fetch(Bytes(109));
    REQUIRE(fetch.fetcher->get(test::url(server.url("/")), 100).ok());
    CHECK(fetch.over_network() == Bytes(10));
    const Result<std::string> refused = fetch.fetcher->get(test::url(server.url("/")), 100);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::refused);
}

}  // namespace
}  // namespace regild::net
