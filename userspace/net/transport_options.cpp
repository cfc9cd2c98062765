// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/transport_options.hpp"

#include <cstdlib>

#include "net/cipher.hpp"

namespace regild::net {

bool set_transport(CURL* handle, const Transport& transport) {
    const auto set = [handle](CURLoption option, auto value) {
        return curl_easy_setopt(handle, option, value) == CURLE_OK;
    };
    bool all_set = true;
    // libcurl takes the first of these only where it was built with OpenSSL.
    if (const std::optional<CipherOrder> order = cipher_order();
        order && set(CURLOPT_TLS13_CIPHERS, order->tls13))
        all_set = set(CURLOPT_SSL_CIPHER_LIST, order->tls12);
    // libcurl itself knows only the CA certificates of the system, a file of them and a folder: both go.
    const char* const ca_file =
        transport.ca_file.empty() ? getenv("SSL_CERT_FILE") : transport.ca_file.c_str();
    if (ca_file) {
        constexpr const char* no_folder = nullptr;
        all_set = set(CURLOPT_CAINFO, ca_file) && set(CURLOPT_CAPATH, no_folder) &&
                  set(CURLOPT_PROXY_CAINFO, ca_file) && set(CURLOPT_PROXY_CAPATH, no_folder);
    }
    if (!transport.certificate_file.empty()) {
        const std::string& key = transport.key_file.empty() ? transport.certificate_file : transport.key_file;
        // With a pass phrase of its own OpenSSL asks nobody for one: a boot would wait for the answer.
        all_set = all_set && set(CURLOPT_SSLCERT, transport.certificate_file.c_str()) &&
                  set(CURLOPT_SSLKEY, key.c_str()) && set(CURLOPT_KEYPASSWD, "");
    }
    if (transport.proxy) {
        // Without the second one libcurl would heed no_proxy of the environment.
        all_set = all_set && set(CURLOPT_PROXY, transport.proxy->with_credentials().c_str()) &&
                  set(CURLOPT_NOPROXY, "");
    }
    // A tunnel's answer is no answer of the server.
    return all_set && set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

}  // namespace regild::net
