// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/ed25519.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <optional>
#include <stdexcept>

namespace regild::codec {
namespace {

struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    void operator()(unsigned char* bytes) const { OPENSSL_free(bytes); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Context = std::unique_ptr<EVP_MD_CTX, Free>;
using Key = std::shared_ptr<EVP_PKEY>;

// libcrypto fails here only when memory is short or Ed25519 is disabled in its configuration.
void require(bool ok) {
    if (!ok) throw std::runtime_error("libcrypto cannot do Ed25519");
}

Key own(EVP_PKEY* key) {
    return {key, [](EVP_PKEY* dying) { EVP_PKEY_free(dying); }};
}

Bio reader_of(std::string_view text) {
    Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    require(bio != nullptr);
    return bio;
}

// Nobody is asked at a terminal.
int no_pass_phrase(char*, int, int, void*) {
    return -1;
}

struct PemBlock {
    std::string name;
    std::unique_ptr<unsigned char, Free> data;
    long length = 0;  // bytes
};

// Nothing: at the end, with PEM_R_NO_START_LINE, or where it is damaged.
std::optional<PemBlock> next_block(BIO* bio) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    PemBlock block;
    if (PEM_read_bio(bio, &name, &header, &data, &block.length) != 1) return std::nullopt;
    block.data.reset(data);
    block.name = name;
    OPENSSL_free(name);
    OPENSSL_free(header);
    return block;
}

bool is_ed25519(const EVP_PKEY* key) {
    return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

template <class Write>
std::string text_of(Write write) {
    const Bio bio(BIO_new(BIO_s_mem()));
    require(bio && write(bio.get()) == 1);
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Result<PublicKeys> PublicKeys::parse(std::string_view pem) {
    const Bio bio = reader_of(pem);
    PublicKeys keys;
    ERR_clear_error();
    while (const std::optional<PemBlock> block = next_block(bio.get())) {
        const std::string number = std::to_string(keys.keys_.size() + 1);
        if (block->name != PEM_STRING_PUBLIC)
            return Error{Failure::usage,
                         "key " + number + " is no public key: regild keygen writes one to FILE.pub"};
        const unsigned char* at = block->data.get();
        Key key = own(d2i_PUBKEY(nullptr, &at, block->length));
        if (!key || !is_ed25519(key.get()))
            return Error{Failure::usage, "key " + number + " is not of Ed25519: make one with regild keygen"};
        if (keys.keys_.size() == max_public_keys)
            return Error{Failure::usage, "there are more than " + std::to_string(max_public_keys) + " keys"};
        keys.keys_.push_back(std::move(key));
    }
    const unsigned long why = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_GET_LIB(why) != ERR_LIB_PEM || ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
        return Error{Failure::usage, "key " + std::to_string(keys.keys_.size() + 1) + " is damaged"};
    if (keys.keys_.empty())
        return Error{Failure::usage, "there is no public key in PEM: regild keygen writes one to FILE.pub"};
    return keys;
}

bool PublicKeys::verify(std::string_view message, std::string_view signature) const {
    for (const Key& key : keys_) {
        const Context context(EVP_MD_CTX_new());
        require(context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
        const bool right = EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(),
                                            bytes_of(message), message.size()) == 1;
        ERR_clear_error();
        if (right) return true;
    }
    return false;
}

PrivateKey PrivateKey::generate() {
    Key key = own(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    require(key != nullptr);
    return PrivateKey(std::move(key));
}

Result<PrivateKey> PrivateKey::parse(std::string_view pem) {
    const Bio bio = reader_of(pem);
    Key key = own(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr));
    ERR_clear_error();
    if (!key)
        return Error{Failure::usage,
                     "there is no private key in PEM without a pass phrase: regild keygen makes one"};
    if (!is_ed25519(key.get()))
        return Error{Failure::usage, "the key is not of Ed25519: make one with regild keygen"};
    return PrivateKey(std::move(key));
}

std::string PrivateKey::pem() const {
    return text_of([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

std::string PrivateKey::public_pem() const {
    return text_of([&](BIO* bio) { return PEM_write_bio_PUBKEY(bio, key_.get()); });
}

std::string PrivateKey::sign(std::string_view message) const {
    const Context context(EVP_MD_CTX_new());
    require(context && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1);
    std::string signature(signature_size, '\0');
    std::size_t size = signature.size();
    require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                           bytes_of(message), message.size()) == 1 &&
            size == signature_size);
    return signature;
}

}  // namespace regild::codec
