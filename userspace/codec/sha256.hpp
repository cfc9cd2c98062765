// SPDX-License-Identifier: GPL-2.0-or-later
// Salted SHA-256 as dm-verity uses it (libcrypto).
#pragma once

#include <memory>

#include "base/bytes.hpp"

namespace regild::codec {

// SHA-256(salt || data). Not thread-safe: one object a thread.
class SaltedSha256 {
  public:
    explicit SaltedSha256(ConstByteSpan salt);
    ~SaltedSha256();
    SaltedSha256(SaltedSha256&&) noexcept;
    SaltedSha256& operator=(SaltedSha256&&) noexcept;

    Digest operator()(ConstByteSpan data);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace regild::codec
