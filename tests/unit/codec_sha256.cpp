// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/sha256.hpp"

#include <catch2/catch.hpp>

using namespace regild;
using namespace regild::codec;

TEST_CASE("SHA-256 without a salt gives the values of FIPS 180-2") {
    SaltedSha256 hash({});
    CHECK(to_hex(hash(as_bytes("abc"))) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(hash({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(to_hex(hash(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("the salt comes before the data, in every message again") {
    SaltedSha256 plain({});
    SaltedSha256 salted(as_bytes("ab"));
    CHECK(salted(as_bytes("c")) == plain(as_bytes("abc")));
    CHECK(salted(as_bytes("c")) == plain(as_bytes("abc")));
    SaltedSha256 moved = std::move(salted);
    CHECK(moved(as_bytes("c")) == plain(as_bytes("abc")));
}
