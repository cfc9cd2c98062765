// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/ed25519.hpp"

#include <catch2/catch.hpp>

namespace regild::codec {
namespace {

// RFC 8032, section 7.1, test 3: its secret key and its public key in the PEM of RFC 8410.
constexpr const char* rfc_private =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIMWqjfQ/n4N77bdELzHct7Fm04U1B28JS4XOOi4LRFj3\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* rfc_public =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEA/FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU=\n"
    "-----END PUBLIC KEY-----\n";
constexpr std::string_view rfc_message = "\xaf\x82";
constexpr unsigned char rfc_signature[] = {
    0x62, 0x91, 0xd6, 0x57, 0xde, 0xec, 0x24, 0x02, 0x48, 0x27, 0xe6, 0x9c, 0x3a, 0xbe, 0x01, 0xa3,
    0x0c, 0xe5, 0x48, 0xa2, 0x84, 0x74, 0x3a, 0x44, 0x5e, 0x36, 0x80, 0xd7, 0xdb, 0x5a, 0xc3, 0xac,
    0x18, 0xff, 0x9b, 0x53, 0x8d, 0x16, 0xf2, 0x90, 0xae, 0x67, 0xf7, 0x60, 0x98, 0x4d, 0xc6, 0x59,
    0x4a, 0x7c, 0x15, 0xe9, 0x71, 0x6e, 0xd2, 0x8d, 0xc0, 0x27, 0xbe, 0xce, 0xea, 0x1e, 0xc4, 0x0a};

TEST_CASE("a signature is that of RFC 8032") {
    const Result<PrivateKey> key = PrivateKey::parse(rfc_private);
    REQUIRE(key.ok());
    CHECK(key->public_pem() == rfc_public);
    CHECK(key->pem() == rfc_private);
    const std::string signature = key->sign(rfc_message);
    CHECK(signature == std::string_view(reinterpret_cast<const char*>(rfc_signature), sizeof rfc_signature));
    CHECK(PublicKeys::parse(rfc_public)->verify(rfc_message, signature));
}

TEST_CASE("a signature counts for its message and its key alone") {
    const PrivateKey key = PrivateKey::generate();
    const PublicKeys keys = PublicKeys::parse(key.public_pem()).value();
    const std::string signature = key.sign("golden");
    CHECK(keys.verify("golden", signature));
    CHECK_FALSE(keys.verify("goldeN", signature));
    CHECK_FALSE(keys.verify("", signature));
    CHECK_FALSE(keys.verify("golden", ""));
    CHECK_FALSE(keys.verify("golden", signature + "x"));
    CHECK_FALSE(keys.verify("golden", signature.substr(1)));
    std::string other = signature;
    other[10] = static_cast<char>(other[10] ^ 1);
    CHECK_FALSE(keys.verify("golden", other));
    CHECK_FALSE(keys.verify("golden", PrivateKey::generate().sign("golden")));
}

TEST_CASE("each of several public keys counts") {
    const PrivateKey old_key = PrivateKey::generate();
    const PrivateKey new_key = PrivateKey::generate();
    const Result<PublicKeys> both = PublicKeys::parse("the one before\n" + old_key.public_pem() +
                                                      "\nfrom now on\n" + new_key.public_pem());
    REQUIRE(both.ok());
    CHECK(both->verify("golden", old_key.sign("golden")));
    CHECK(both->verify("golden", new_key.sign("golden")));
    CHECK_FALSE(both->verify("golden", PrivateKey::generate().sign("golden")));
}

TEST_CASE("what is no Ed25519 key is refused") {
    const std::string pem = PrivateKey::generate().public_pem();
    // Of P-256.
    const std::string other =
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEu2CQs6ijvvS7J6ORP0ibQvGehxzs\n"
        "p1U2vli5GSmyfwyauVz3ivgznwlgUOWY/D7doQDie+qitYucxUsN8z7hzA==\n"
        "-----END PUBLIC KEY-----\n";
    const auto refused = [](const std::string& text) {
        const Result<PublicKeys> keys = PublicKeys::parse(text);
        return !keys && keys.error().kind == Failure::usage;
    };
    CHECK(refused(""));
    CHECK(refused("no key at all"));
    CHECK(refused(PrivateKey::generate().pem()));
    CHECK(refused(other));
    CHECK(refused(pem + other));
    CHECK(refused(pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"));
    CHECK(refused(pem.substr(0, pem.size() - 30)));
    std::string many;
    for (std::size_t i = 0; i <= max_public_keys; ++i)
        many += pem;
    CHECK(refused(many));
    CHECK_FALSE(PrivateKey::parse(pem).ok());
    CHECK_FALSE(PrivateKey::parse("").ok());
}

}  // namespace
}  // namespace regild::codec
