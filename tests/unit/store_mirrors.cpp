// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/mirrors.hpp"

#include <catch2/catch.hpp>

#include "url.hpp"
#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::GoldenImage;
using test::url;

// Two or more servers in one fake: each a host.
struct Mirrors {
    explicit Mirrors(const std::vector<std::string>& documents) {
        std::vector<net::Url> urls;
        for (const std::string& document : documents)
            urls.push_back(url(document));
        auto fetcher = std::make_unique<FakeFetcher>();
        fake = fetcher.get();
        mirrored = make_mirrored_fetcher(std::move(fetcher), urls, observer);
    }
    void put(const std::string& at, const std::string& text) {
        const ConstByteSpan bytes = as_bytes(text);
        fake->files[at] = ByteVector(bytes.begin(), bytes.end());
    }
    // The ranges of two bytes each of `at`; what arrives must be "golden bytes".
    Result<void> fetch(const std::string& at) {
        const std::string golden = "golden bytes";
        buffer = std::string(golden.size(), '.');
        moved = Bytes(0);
        std::vector<net::Range> ranges;
        for (std::size_t i = 0; i < buffer.size(); i += 2)
            ranges.push_back({Bytes(i), std::as_writable_bytes(std::span(buffer)).subspan(i, 2)});
        arrivals = 0;
        return mirrored->get_ranges(
            url(at), ranges,
            [&](std::size_t i) -> Result<void> {
                if (buffer.substr(2 * i, 2) != golden.substr(2 * i, 2))
                    return Error{Failure::source, "wrong bytes"};
                ++arrivals;
                return {};
            },
            [&](Bytes bytes) { moved += bytes; });
    }
    std::size_t requests_of(const std::string& host) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            fake->requests,
            [&](const FakeFetcher::Request& r) { return r.url.find(host) != std::string::npos; }));
    }
    test::SilentObserver observer;
    FakeFetcher* fake = nullptr;
    std::unique_ptr<net::Fetcher> mirrored;
    std::string buffer;
    unsigned arrivals = 0;
    Bytes moved;
};

TEST_CASE("a document that one mirror does not have is asked of the next") {
    Mirrors mirrors({"http://a/kiosk/stable.json", "http://u:p@b/elsewhere/kiosk/stable.json"});
    mirrors.put("http://u:p@b/elsewhere/kiosk/stable.json", "channel");
    mirrors.put("http://u:p@b/elsewhere/kiosk/3/manifest.json", "manifest");
    CHECK(mirrors.mirrored->get(url("http://a/kiosk/stable.json"), 100).value() == "channel");
    CHECK(mirrors.mirrored->get(url("http://a/kiosk/3/manifest.json"), 100).value() == "manifest");
    CHECK(mirrors.observer.lines.find(
              "http://a/kiosk/stable.json: there is no such file: trying the next mirror") !=
          std::string::npos);
    CHECK(mirrors.observer.lines.find("u:p") == std::string::npos);
}

TEST_CASE("beside a manifest the store begins a folder above") {
    Mirrors mirrors({"http://a/kiosk/3/manifest.json", "file:///srv/kiosk/3/manifest.json"});
    mirrors.put("file:///srv/kiosk/2/image.zst", "golden bytes");
    CHECK(mirrors.fetch("http://a/kiosk/2/image.zst").ok());
    CHECK(mirrors.buffer == "golden bytes");
}

TEST_CASE("only what is still missing is asked of the next mirror, and it stays the first") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json"});
    mirrors.put("http://a/k/1/image.zst", "goldEn bytes");
    mirrors.put("http://b/k/1/image.zst", "golden bytes");
    REQUIRE(mirrors.fetch("http://a/k/1/image.zst").ok());
    CHECK(mirrors.buffer == "golden bytes");
    CHECK(mirrors.arrivals == 6);
    CHECK(mirrors.moved == Bytes(12));
    // From the end: three right ones of a, a wrong one, and what was left of b.
    CHECK(mirrors.requests_of("//a/") == 4);
    CHECK(mirrors.requests_of("//b/") == 3);
    for (const char* host : {"a", "b"})
        mirrors.put(std::string("http://") + host + "/k/2/image.zst", "golden bytes");
    REQUIRE(mirrors.fetch("http://a/k/1/image.zst").ok());
    REQUIRE(mirrors.fetch("http://a/k/2/image.zst").ok());
    CHECK(mirrors.requests_of("//a/") == 4);
}

TEST_CASE("no mirror brings what may not come") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json"});
    for (const char* host : {"a", "b"})
        mirrors.put(std::string("http://") + host + "/k/1/image.zst", "golden bytes");
    mirrors.mirrored->allow(Bytes(3));
    const Result<void> refused = mirrors.fetch("http://a/k/1/image.zst");
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::refused);
    CHECK(mirrors.requests_of("//a/") == 1);
    CHECK(mirrors.requests_of("//b/") == 0);
    CHECK(mirrors.observer.lines.find("next mirror") == std::string::npos);
}

TEST_CASE("who gave wrong bytes is asked for them last, whoever answers") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json"});
    mirrors.put("http://a/k/1/image.zst", "goldEn bytes");
    mirrors.put("http://a/k/1/image.index", "golden bytes");
    mirrors.put("http://b/k/1/image.zst", "golden bytes");
    mirrors.fake->down = "http://b/";
    REQUIRE_FALSE(mirrors.fetch("http://a/k/1/image.zst").ok());
    REQUIRE(mirrors.fetch("http://a/k/1/image.index").ok());
    mirrors.fake->down.clear();
    const std::size_t before = mirrors.requests_of("//a/");
    REQUIRE(mirrors.fetch("http://a/k/1/image.zst").ok());
    CHECK(mirrors.requests_of("//a/") == before);
}

TEST_CASE("only of the last mirror the same bytes are asked for more than once") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json"});
    mirrors.put("http://a/k/1/image.zst", "goldEn bytes");
    REQUIRE_FALSE(mirrors.fetch("http://a/k/1/image.zst").ok());
    CHECK(mirrors.fake->most_wrong == 1);
    mirrors.put("http://b/k/1/image.zst", "golden bytes");
    mirrors.fake->files.erase("http://a/k/1/image.zst");
    REQUIRE(mirrors.fetch("http://a/k/1/image.zst").ok());
    CHECK(mirrors.fake->most_wrong > 1);
}

TEST_CASE("when all fail the error names each, and waits if one of them may yet answer") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json", "http://c/k/stable.json"});
    mirrors.put("http://b/k/1/image.zst", "wrong");
    const Result<void> failed = mirrors.fetch("http://a/k/1/image.zst");
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().kind == Failure::source);
    for (const char* part :
         {"http://a/k/1/image.zst: there is no such file", "http://b/k/1/image.zst: too short",
          "http://c/k/1/image.zst: there is no such file"})
        CHECK(failed.error().message.find(part) != std::string::npos);

    mirrors.fake->fail_in = 0;  // where there is a file: at b
    const Result<void> down = mirrors.fetch("http://a/k/1/image.zst");
    REQUIRE_FALSE(down.ok());
    CHECK(down.error().kind == Failure::network);
}

TEST_CASE("what is no fault of a mirror is not tried at the next") {
    Mirrors mirrors({"http://a/k/stable.json", "http://b/k/stable.json"});
    mirrors.put("http://a/k/1/image.zst", "golden bytes");
    mirrors.put("http://b/k/1/image.zst", "golden bytes");
    mirrors.fake->fail_in = 2;
    mirrors.fake->failure = {Failure::interrupted, "interrupted"};
    const Result<void> stopped = mirrors.fetch("http://a/k/1/image.zst");
    REQUIRE_FALSE(stopped.ok());
    CHECK(stopped.error().kind == Failure::interrupted);
    CHECK(mirrors.requests_of("//b/") == 0);
}

}  // namespace
}  // namespace regild::store
