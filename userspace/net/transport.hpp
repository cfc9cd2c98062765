// SPDX-License-Identifier: GPL-2.0-or-later
// How servers are reached: whom TLS trusts, as whom this machine shows itself, through which proxy, and what
// only the owner's own servers are told.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace regild::net {

class ProxyUrl {
  public:
    // Of http, https, socks5 or socks5h, with a host and no path. Failure::usage; what is wrong is not shown,
    // as it may be the password.
    static Result<ProxyUrl> parse(const std::string& text);

    // All of it: to use it, never to show it.
    const std::string& with_credentials() const { return text_; }
    bool has_credentials() const { return has_credentials_; }

  private:
    ProxyUrl() = default;
    std::string text_;
    bool has_credentials_ = false;
};

// Sent with each request to one of these origins, and to nobody else: neither to where a redirect leads out
// of them, nor from there back.
struct Credentials {
    std::vector<std::string> headers;  // "Name: value"
    std::vector<std::string> origins;  // of Url::origin()
};

struct Transport {
    // Files in PEM. Whatever is wrong with their content is Failure::usage of the first request over https.
    std::string ca_file;            // trusted and no others; "": SSL_CERT_FILE, and without it the system's
    std::string certificate_file;   // of this machine; "": none
    std::string key_file;           // of that certificate; "": it is in certificate_file
    std::optional<ProxyUrl> proxy;  // for each request over http or https; nothing: as the environment says
    Credentials credentials;
};

}  // namespace regild::net
