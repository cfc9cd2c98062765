// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "net/url.hpp"

namespace regild::test {

inline net::Url url(const std::string& text) {
    return *net::Url::parse(text);
}

}  // namespace regild::test
