// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/cipher.hpp"

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

namespace regild::net {
namespace {

// Unknown processors are left to the TLS library.
bool lacks_aes() {
#if defined(__x86_64__) || defined(__i386__)
    return !__builtin_cpu_supports("aes") || !__builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) == 0;
#else
    return false;
#endif
}

}  // namespace

std::optional<CipherOrder> cipher_order() {
    if (!lacks_aes()) return std::nullopt;
    return CipherOrder{.tls13 = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
                       .tls12 = "DEFAULT:+AES"};
}

}  // namespace regild::net
