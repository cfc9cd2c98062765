// SPDX-License-Identifier: GPL-2.0-or-later
// Which ciphers TLS is to offer first on this processor.
#pragma once

#include <optional>

namespace regild::net {

// As OpenSSL takes them.
struct CipherOrder {
    const char* tls13;  // all suites of TLS 1.3
    const char* tls12;  // of TLS 1.2 and before: a server that has AES alone gets it
};

// Nothing: that of the TLS library, which has AES-256-GCM first. Without instructions for AES that takes
// several times the CPU of ChaCha20-Poly1305.
std::optional<CipherOrder> cipher_order();

}  // namespace regild::net
