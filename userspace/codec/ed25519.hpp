// SPDX-License-Identifier: GPL-2.0-or-later
// Ed25519 signatures (RFC 8032) and keys in PEM, as `openssl genpkey` and `openssl pkeyutl` have them
// (libcrypto).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"

struct evp_pkey_st;

namespace regild::codec {

inline constexpr std::size_t signature_size = 64;  // bytes
inline constexpr std::size_t max_public_keys = 16;

// The keys of those whose word counts.
class PublicKeys {
  public:
    // One PEM block (PUBLIC KEY) after the other. Failure::usage: there is none, there are too many, or one
    // is no Ed25519 key.
    static Result<PublicKeys> parse(std::string_view pem);
    // Whether one of them made this signature of the message.
    bool verify(std::string_view message, std::string_view signature) const;

  private:
    PublicKeys() = default;
    std::vector<std::shared_ptr<evp_pkey_st>> keys_;
};

class PrivateKey {
  public:
    static PrivateKey generate();
    // Failure::usage: it is no Ed25519 key in PEM, or one that asks for a pass phrase.
    static Result<PrivateKey> parse(std::string_view pem);
    std::string pem() const;                           // PKCS #8, not encrypted
    std::string public_pem() const;                    // what PublicKeys reads
    std::string sign(std::string_view message) const;  // signature_size bytes

  private:
    explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
    std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace regild::codec
