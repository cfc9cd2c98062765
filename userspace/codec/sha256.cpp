// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/sha256.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace regild::codec {
namespace {

struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

// libcrypto fails here only when memory is short or SHA-256 is disabled in its configuration.
void require(bool ok) {
    if (!ok) throw std::runtime_error("libcrypto cannot compute SHA-256");
}

}  // namespace

struct SaltedSha256::State {
    Context salted;  // has taken in the salt; copied for each message
    Context work;
};

SaltedSha256::SaltedSha256(ConstByteSpan salt) : state_(std::make_unique<State>()) {
    state_->salted.reset(EVP_MD_CTX_new());
    state_->work.reset(EVP_MD_CTX_new());
    require(state_->salted && state_->work);
    require(EVP_DigestInit_ex(state_->salted.get(), EVP_sha256(), nullptr) == 1);
    require(EVP_DigestUpdate(state_->salted.get(), salt.data(), salt.size()) == 1);
}

SaltedSha256::~SaltedSha256() = default;
SaltedSha256::SaltedSha256(SaltedSha256&&) noexcept = default;
SaltedSha256& SaltedSha256::operator=(SaltedSha256&&) noexcept = default;

Digest SaltedSha256::operator()(ConstByteSpan data) {
    Digest digest;
    EVP_MD_CTX* const work = state_->work.get();
    require(EVP_MD_CTX_copy_ex(work, state_->salted.get()) == 1);
    require(EVP_DigestUpdate(work, data.data(), data.size()) == 1);
    require(EVP_DigestFinal_ex(work, reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
    return digest;
}

}  // namespace regild::codec
