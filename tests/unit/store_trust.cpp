// SPDX-License-Identifier: GPL-2.0-or-later
// With keys nothing that a server says is believed unsigned.
#include <catch2/catch.hpp>

#include "store/mirrors.hpp"
#include "store/source.hpp"
#include "url.hpp"
#include "volume_fixture.hpp"

namespace regild::store {
namespace {

using test::FakeFetcher;
using test::url;

const BlockSize block_size = test::block_size_of(4096);

std::string manifest_text(std::uint64_t version, const std::string& image = "kiosk") {
    format::Manifest manifest =
        test::make_golden_image(block_size, Bytes(8192), [](std::uint64_t) { return false; }).manifest;
    manifest.version = version;
    manifest.image = image;
    return format::serialize_manifest(manifest);
}

Trust trust_in(const codec::PrivateKey& key) {
    return Trust(codec::PublicKeys::parse(key.public_pem()).value());
}

// A store at which everything is signed.
struct SignedStore {
    SignedStore() {
        put("kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 5}));
        put("kiosk/3/manifest.json", manifest_text(3));
    }
    void put(const std::string& path, const std::string& text, const std::string& host = "http://h/") {
        put_unsigned(path, text, host);
        put_unsigned(path + ".sig", key.sign(text), host);
    }
    void put_unsigned(const std::string& path, const std::string& text,
                      const std::string& host = "http://h/") {
        const ConstByteSpan bytes = as_bytes(text);
        fetcher.files[host + path] = ByteVector(bytes.begin(), bytes.end());
    }
    Result<Source> offered(const std::string& path = "kiosk/stable.json") {
        return offered_source(fetcher, url("http://h/" + path), trust);
    }
    // What is refused says what was found, and is the source's fault.
    std::string refusal(const std::string& path = "kiosk/stable.json") {
        const Result<Source> source = offered(path);
        REQUIRE_FALSE(source.ok());
        CHECK(source.error().kind == Failure::source);
        return source.error().message;
    }

    codec::PrivateKey key = codec::PrivateKey::generate();
    Trust trust = trust_in(key);
    FakeFetcher fetcher;
};

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what is signed is believed, and its signature goes with it") {
    SignedStore store;
    const Result<Source> source = store.offered();
    REQUIRE(source.ok());
    CHECK(source->signature == store.key.sign(source->manifest_text));
    CHECK(source->channel->serial == 5);
    const Result<Source> version = store.offered("kiosk/3/manifest.json");
    REQUIRE(version.ok());
    CHECK(version->signature == source->signature);
    CHECK_FALSE(version->channel);
}

TEST_CASE("without keys no signature is asked for") {
    SignedStore store;
    const Result<Source> source = offered_source(store.fetcher, url("http://h/kiosk/stable.json"), {});
    REQUIRE(source.ok());
    CHECK(source->signature.empty());
    CHECK(store.fetcher.requests.size() == 2);
}

TEST_CASE("a forged channel or manifest is refused") {
    SignedStore store;
    const std::string path = GENERATE("kiosk/stable.json", "kiosk/3/manifest.json");
    SECTION("without a signature") {
        store.fetcher.files.erase("http://h/" + path + ".sig");
        CHECK(has(store.refusal(), "regild sign has to sign"));
    }
    SECTION("signed by another key") {
        const std::string text(as_text(store.fetcher.files["http://h/" + path]));
        store.put_unsigned(path + ".sig", codec::PrivateKey::generate().sign(text));
        CHECK(has(store.refusal(), path + ": its signature is of none of the keys"));
    }
    SECTION("changed after it was signed") {
        store.fetcher.files["http://h/" + path].push_back(std::byte{'\n'});
        CHECK(has(store.refusal(), path + ": its signature is of none of the keys"));
    }
    SECTION("with an empty signature") {
        store.put_unsigned(path + ".sig", "");
        CHECK(has(store.refusal(), path + ": it is not signed"));
    }
    SECTION("with a signature that is too long") {
        store.put_unsigned(path + ".sig", std::string(65, 'x'));
        CHECK(has(store.refusal(), path + ".sig: too long"));
    }
}

TEST_CASE("mix-and-match: what is signed counts in its own place alone") {
    SignedStore store;
    SECTION("a channel as another channel") {
        store.put("kiosk/stable.json", format::serialize_channel({"kiosk", 3, "testing", 9}));
        CHECK(has(store.refusal(), "is signed as kiosk/testing.json"));
    }
    SECTION("the channel of another image") {
        store.put("kiosk/stable.json", format::serialize_channel({"lobby", 3, "stable", 9}));
        CHECK(has(store.refusal(), "is signed as lobby/stable.json"));
    }
    SECTION("the manifest of another version") {
        store.put("kiosk/3/manifest.json", manifest_text(2));
        CHECK(has(store.refusal(), "is signed as kiosk/2/manifest.json"));
        CHECK(has(store.refusal("kiosk/3/manifest.json"), "is signed as kiosk/2/manifest.json"));
    }
    SECTION("the manifest of another image") {
        store.put("kiosk/3/manifest.json", manifest_text(3, "lobby"));
        CHECK(has(store.refusal(), "is signed as lobby/3/manifest.json"));
    }
}

TEST_CASE("a key that was lost is rotated out: what it signed before is refused from then on") {
    SignedStore store;
    const codec::PrivateKey new_key = codec::PrivateKey::generate();
    // Old and new side by side.
    store.trust = Trust(codec::PublicKeys::parse(store.key.public_pem() + new_key.public_pem()).value());
    CHECK(store.offered().ok());
    // Without the old one.
    store.trust = trust_in(new_key);
    CHECK(has(store.refusal(), "its signature is of none of the keys"));
    store.key = new_key;
    store.put("kiosk/stable.json", format::serialize_channel({"kiosk", 3, "stable", 6}));
    store.put("kiosk/3/manifest.json", manifest_text(3));
    CHECK(store.offered().ok());
}

TEST_CASE("a mirror that gives what is signed for another place is left for the next one") {
    SignedStore store;
    for (const char* each : {"kiosk/stable.json", "kiosk/3/manifest.json"})
        store.put(each, std::string(as_text(store.fetcher.files[std::string("http://h/") + each])),
                  "http://m/");
    SECTION("a manifest") {
        store.put("kiosk/3/manifest.json", manifest_text(2));
    }
    SECTION("a channel") {
        store.put("kiosk/stable.json", format::serialize_channel({"kiosk", 3, "testing", 9}));
    }
    test::SilentObserver observer;
    const auto mirrored = make_mirrored_fetcher(
        std::make_unique<FakeFetcher>(store.fetcher),
        {url("http://h/kiosk/stable.json"), url("http://m/kiosk/stable.json")}, observer);
    const Result<Source> source = offered_source(*mirrored, url("http://h/kiosk/stable.json"), store.trust);
    REQUIRE(source.ok());
    CHECK(source->manifest.version == 3);
}

TEST_CASE("the image of a URL is told by the store's layout") {
    CHECK(image_at(url("http://h/kiosk/stable.json")) == "kiosk");
    CHECK(image_at(url("http://u:p@h/a/b/kiosk/3/manifest.json?x=/y")) == "kiosk");
    CHECK(image_at(url("file:///srv/store/kiosk/stable.json")) == "kiosk");
    const Trust trust(codec::PublicKeys::parse(codec::PrivateKey::generate().public_pem()).value(), "kiosk");
    CHECK(trust.allows("kiosk"));
    CHECK_FALSE(trust.allows("admin"));
    CHECK(Trust().allows("admin"));
}

TEST_CASE("a mirror that gives what is not signed is left for the next one") {
    SignedStore store;
    const std::string path = GENERATE("kiosk/stable.json", "kiosk/3/manifest.json");
    for (const char* each : {"kiosk/stable.json", "kiosk/3/manifest.json"})
        store.put(each, std::string(as_text(store.fetcher.files[std::string("http://h/") + each])),
                  "http://m/");
    store.put_unsigned(path, std::string(as_text(store.fetcher.files["http://h/" + path])) + "\n");
    test::SilentObserver observer;
    auto fake = std::make_unique<FakeFetcher>(store.fetcher);
    const auto mirrored = make_mirrored_fetcher(
        std::move(fake), {url("http://h/kiosk/stable.json"), url("http://m/kiosk/stable.json")}, observer);
    CHECK(offered_source(*mirrored, url("http://h/kiosk/stable.json"), store.trust).ok());
    CHECK_FALSE(
        offered_source(*mirrored, url("http://h/kiosk/stable.json"), trust_in(codec::PrivateKey::generate()))
            .ok());
}

}  // namespace regild::store
