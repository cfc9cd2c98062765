// SPDX-License-Identifier: GPL-2.0-or-later
// What a Transport means to libcurl.
#pragma once

#include "net/curl_handle.hpp"
#include "net/transport.hpp"

namespace regild::net {

// False where libcurl takes an option not.
bool set_transport(CURL* handle, const Transport& transport);

}  // namespace regild::net
