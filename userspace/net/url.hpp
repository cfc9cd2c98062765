// SPDX-License-Identifier: GPL-2.0-or-later
// A URL whose credentials show nowhere by accident.
#pragma once

#include <string>

#include "base/result.hpp"

namespace regild::net {

class Url {
  public:
    // Of http, https or file. Failure::usage; what is wrong is not shown, as it may be the password.
    static Result<Url> parse(const std::string& text);

    // All of it: to ask for it, never to show it.
    const std::string& with_credentials() const { return text_; }
    // Without user name, password, query and fragment: for messages and reports.
    const std::string& shown() const { return shown_; }
    const std::string& scheme() const { return scheme_; }
    // Whether it needs no network.
    bool is_local() const { return scheme_ == "file"; }
    // Scheme, host in small letters and port: who is asked.
    const std::string& origin() const { return origin_; }
    // The origin that a redirect from here to `location` (absolute or relative) leads to; "" where that
    // cannot be told.
    std::string origin_of_redirect(const std::string& location) const;
    // The last component of the path; may be empty.
    std::string file_name() const;
    // `name` beside this resource: the last path component replaced, RFC 3986 section 5.2; the query dropped.
    Result<Url> sibling(const std::string& name) const;

    bool operator==(const Url&) const = default;

  private:
    Url() = default;
    std::string text_;
    std::string shown_;
    std::string scheme_;
    std::string origin_;
};

// The URL of a manifest or a channel: its name ends in .json. Failure::usage says what is wrong; nothing is
// asked.
Result<Url> parse_document_url(const std::string& text);

}  // namespace regild::net
