// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/source.hpp"

#include <catch2/catch.hpp>

#include "store/mirrors.hpp"
#include "url.hpp"
#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::url;

const BlockSize block_size = test::block_size_of(4096);

format::Manifest manifest_of(std::uint64_t version) {
    format::Manifest manifest =
        test::make_golden_image(block_size, Bytes(8192), [](std::uint64_t) { return false; }).manifest;
    manifest.version = version;
    return manifest;
}

void put(FakeFetcher& fetcher, const std::string& url, const std::string& text) {
    const ConstByteSpan bytes = as_bytes(text);
    fetcher.files[url] = ByteVector(bytes.begin(), bytes.end());
}

TEST_CASE("a manifest's URL tells where its files are") {
    FakeFetcher fetcher;
    put(fetcher, "http://h/kiosk/3/manifest.json", format::serialize_manifest(manifest_of(3)));
    const Result<Source> source = offered_source(fetcher, url("http://h/kiosk/3/manifest.json"), {});
    REQUIRE(source.ok());
    REQUIRE(source->manifest == manifest_of(3));
    REQUIRE(source->manifest_text == format::serialize_manifest(manifest_of(3)));
    REQUIRE(source->data_url.with_credentials() == "http://h/kiosk/3/image.zst");
    REQUIRE(source->tree_url.with_credentials() == "http://h/kiosk/3/image.verity");
}

TEST_CASE("a channel is followed to its version") {
    FakeFetcher fetcher;
    put(fetcher, "http://u:p@h/kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
    put(fetcher, "http://u:p@h/kiosk/3/manifest.json", format::serialize_manifest(manifest_of(3)));
    const Result<Source> source = offered_source(fetcher, url("http://u:p@h/kiosk/stable.json"), {});
    REQUIRE(source.ok());
    REQUIRE(source->data_url.with_credentials() == "http://u:p@h/kiosk/3/image.zst");
}

TEST_CASE("a channel that points at another version's manifest is an error") {
    FakeFetcher fetcher;
    put(fetcher, "http://h/kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
    put(fetcher, "http://h/kiosk/3/manifest.json", format::serialize_manifest(manifest_of(2)));
    const Result<Source> version = offered_source(fetcher, url("http://h/kiosk/stable.json"), {});
    REQUIRE_FALSE(version.ok());
    REQUIRE(version.error().message.find("version 2") != std::string::npos);

    put(fetcher, "http://h/kiosk/stable.json", format::serialize_channel({"other", 2, "stable", 5}));
    put(fetcher, "http://h/kiosk/2/manifest.json", format::serialize_manifest(manifest_of(2)));
    REQUIRE_FALSE(offered_source(fetcher, url("http://h/kiosk/stable.json"), {}).ok());
}

TEST_CASE("a mirror that gives something else in place of a document is left for the next one") {
    auto fake = std::make_unique<FakeFetcher>();
    for (const std::string host : {"http://h/", "http://m/"}) {
        put(*fake, host + "kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
        put(*fake, host + "kiosk/3/manifest.json", format::serialize_manifest(manifest_of(3)));
    }
    const std::string path = GENERATE("kiosk/stable.json", "kiosk/3/manifest.json");
    const bool is_page = GENERATE(true, false);
    put(*fake, "http://h/" + path,
        is_page                       ? "<html>Log in to the network</html>"
        : path == "kiosk/stable.json" ? "{\"type\": \"regild-channel\"}"
                                      : format::serialize_manifest(manifest_of(2)));
    test::SilentObserver observer;
    const auto mirrored = make_mirrored_fetcher(
        std::move(fake), {url("http://h/kiosk/stable.json"), url("http://m/kiosk/stable.json")}, observer);
    const Result<Source> source = offered_source(*mirrored, url("http://h/kiosk/stable.json"), {});
    REQUIRE(source.ok());
    CHECK(source->manifest == manifest_of(3));
}

TEST_CASE("a manifest under another name, or a channel under its, is refused before anything is formatted") {
    FakeFetcher fetcher;
    put(fetcher, "http://h/kiosk/3/golden.json", format::serialize_manifest(manifest_of(3)));
    put(fetcher, "http://h/kiosk/manifest.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
    put(fetcher, "http://h/kiosk/3/manifest.json", format::serialize_manifest(manifest_of(3)));
    for (const char* where : {"http://h/kiosk/3/golden.json", "http://h/kiosk/manifest.json"}) {
        const Result<Source> source = offered_source(fetcher, url(where), {});
        REQUIRE_FALSE(source.ok());
        CHECK(source.error().message.find(where) != std::string::npos);
        CHECK(source.error().message.find("publish it under its name") != std::string::npos);
    }
}

TEST_CASE("a channel cannot lead to another channel") {
    FakeFetcher fetcher;
    put(fetcher, "http://h/kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
    put(fetcher, "http://h/kiosk/3/manifest.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
    REQUIRE_FALSE(offered_source(fetcher, url("http://h/kiosk/stable.json"), {}).ok());
}

TEST_CASE("a source that is neither manifest nor channel is an error without its credentials") {
    FakeFetcher fetcher;
    put(fetcher, "http://user:secret@h/x.json?token=secret", "{\"hello\": 1}");
    const Result<Source> source =
        offered_source(fetcher, url("http://user:secret@h/x.json?token=secret"), {});
    REQUIRE_FALSE(source.ok());
    REQUIRE(source.error().message.find("http://h/x.json") != std::string::npos);
    REQUIRE(source.error().message.find("secret") == std::string::npos);
}

TEST_CASE("the installed version is found beside a channel") {
    const std::string text = format::serialize_manifest(manifest_of(2));
    const Result<Source> source = installed_source(url("http://h/kiosk/stable.json"), text);
    REQUIRE(source.ok());
    REQUIRE(source->manifest_text == text);
    REQUIRE(source->data_url.with_credentials() == "http://h/kiosk/2/image.zst");
    REQUIRE(source->tree_url.with_credentials() == "http://h/kiosk/2/image.verity");
}

TEST_CASE("the installed version is found beside another version's manifest") {
    const std::string text = format::serialize_manifest(manifest_of(2));
    REQUIRE(installed_source(url("http://h/kiosk/3/manifest.json"), text)->data_url.with_credentials() ==
            "http://h/kiosk/2/image.zst");
    REQUIRE(
        installed_source(url("file:///srv/store/kiosk/2/manifest.json"), text)->tree_url.with_credentials() ==
        "file:///srv/store/kiosk/2/image.verity");
}

}  // namespace
}  // namespace regild::store
