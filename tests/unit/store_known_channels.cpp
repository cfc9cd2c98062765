// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/known_channels.hpp"

#include <catch2/catch.hpp>

#include "store/source.hpp"
#include "url.hpp"
#include "volume_fixture.hpp"

namespace regild::store {
namespace {

const codec::PrivateKey key = codec::PrivateKey::generate();

Trust trust_in(const codec::PrivateKey& one) {
    return Trust(codec::PublicKeys::parse(one.public_pem()).value());
}

SignedChannel signed_channel(const format::Channel& channel, const codec::PrivateKey& by = key) {
    const std::string text = format::serialize_channel(channel);
    return {channel, text, by.sign(text)};
}
format::KeptChannel kept(const format::Channel& channel, const codec::PrivateKey& by = key) {
    const SignedChannel made = signed_channel(channel, by);
    return {made.text, made.signature};
}

}  // namespace

TEST_CASE("of what a record keeps the channels of its image count that one of the keys signed") {
    const format::KeptChannel good = kept({"kiosk", 1, "stable", 7, 1000});
    const format::KeptChannel older = kept({"kiosk", 1, "stable", 6, 2000});
    const format::KeptChannel testing = kept({"kiosk", 1, "testing", 3});
    const auto known = [](const format::KeptChannels& channels, const Trust& trust = trust_in(key)) {
        return KnownChannels(channels, "kiosk", trust);
    };
    const KnownChannels all = known({good, older, testing});
    REQUIRE(all.last());
    CHECK(all.last()->serial == 7);
    CHECK(all.with_name("stable")->issued == 1000);
    CHECK(all.with_name("testing")->serial == 3);
    CHECK_FALSE(all.with_name("other"));
    CHECK(all.with_text(testing.text)->signature == testing.signature);
    CHECK_FALSE(all.with_text(older.text));
    CHECK_FALSE(known({}).last());

    CHECK_FALSE(known({good, testing}, Trust()).last());
    CHECK_FALSE(known({good, testing}, trust_in(codec::PrivateKey::generate())).last());
    const std::string manifest = "{\"type\": \"regild-manifest\"}";
    for (const format::KeptChannel& bad :
         {format::KeptChannel{good.text, ""}, format::KeptChannel{good.text + "\n", good.signature},
          format::KeptChannel{testing.text, good.signature},
          kept({"kiosk", 1, "stable", 8}, codec::PrivateKey::generate()), kept({"lobby", 1, "stable", 9}),
          format::KeptChannel{manifest, key.sign(manifest)}})
        CHECK(known({bad, older}).last()->serial == 6);
}

TEST_CASE("the channels that were believed last are kept, each name once, and nothing that does not count") {
    format::KeptChannels channels;
    const auto believe = [&](const format::Channel& channel) {
        channels = KnownChannels(channels, "kiosk", trust_in(key)).kept_with(signed_channel(channel));
    };
    const auto names = [&] {
        std::string all;
        for (const format::KeptChannel& each : channels) {
            const format::Channel channel = format::parse_channel(each.text).value();
            all += (all.empty() ? "" : " ") + channel.name + std::to_string(channel.serial);
        }
        return all;
    };
    believe({"kiosk", 1, "stable", 5});
    believe({"kiosk", 1, "testing", 2});
    believe({"kiosk", 1, "stable", 6});
    CHECK(names() == "stable6 testing2");
    for (const char* name : {"a", "b", "c"})
        believe({"kiosk", 1, name, 1});
    CHECK(names() == "c1 b1 a1 stable6");
    channels[0].signature = "of nobody";
    channels[2] = kept({"kiosk", 1, "a", 1}, codec::PrivateKey::generate());
    believe({"kiosk", 1, "d", 1});
    CHECK(names() == "d1 b1 stable6");
}

TEST_CASE("the signature of a channel that is served as the record has it is asked for where its is wrong") {
    test::FakeFetcher fetcher;
    const auto put = [&](const std::string& path, const std::string& text) {
        const ConstByteSpan bytes = as_bytes(text);
        fetcher.files["http://h/kiosk/" + path] = ByteVector(bytes.begin(), bytes.end());
    };
    const SignedChannel served = signed_channel({"kiosk", 3, "stable", 5});
    put("stable.json", served.text);
    put("stable.json.sig", served.signature);
    const format::KeptChannel testing = kept({"kiosk", 3, "testing", 5});
    const auto requests_with = [&](const format::KeptChannels& channels, const Trust& trust) {
        fetcher.requests.clear();
        const Result<Offered> offered = offered_but(
            fetcher, test::url("http://h/kiosk/stable.json"), trust,
            {.image = "kiosk", .version = 3, .channels = {channels, "kiosk", trust}, .machine = {}});
        REQUIRE(offered.ok());
        CHECK(offered->channel->text == served.text);
        CHECK(offered->channel->signature == (trust.has_keys() ? served.signature : ""));
        return fetcher.requests.size();
    };
    const Trust trust = trust_in(key);
    CHECK(requests_with({{served.text, served.signature}}, trust) == 1);
    CHECK(requests_with({testing, {served.text, served.signature}}, trust) == 1);
    CHECK(requests_with({}, trust) == 2);
    CHECK(requests_with({testing}, trust) == 2);
    CHECK(requests_with({{served.text, ""}}, trust) == 2);
    CHECK(requests_with({{served.text, testing.signature}}, trust) == 2);
    CHECK(requests_with({kept(served, codec::PrivateKey::generate())}, trust) == 2);
    CHECK(requests_with({{served.text, served.signature}}, Trust()) == 1);
    // It says no more than what was signed.
    put("stable.json.sig", std::string(64, 'x'));
    CHECK_FALSE(offered_but(fetcher, test::url("http://h/kiosk/stable.json"), trust,
                            {.image = "kiosk",
                             .version = 3,
                             .channels = {{{served.text, testing.signature}}, "kiosk", trust},
                             .machine = {}})
                    .ok());
}

}  // namespace regild::store
