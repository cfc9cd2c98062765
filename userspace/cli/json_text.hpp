// SPDX-License-Identifier: GPL-2.0-or-later
// How every JSON document of the tool looks.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace regild::cli {

// Indented, in UTF-8 whatever the texts hold, with a newline at its end.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace regild::cli
