// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration of `regild boot`: one JSON object; regild.json(5) documents every key.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace regild::format {

inline constexpr std::size_t max_configuration_size = 65536;  // bytes
inline constexpr std::size_t max_mirrors = 15;

// What to do when blocks are to be restored and the server does not answer.
enum class OfflinePolicy { wait, halt };

struct Configuration {
    std::string data;                  // required: a path or a tag (PARTLABEL=, PARTUUID=, UUID=, LABEL=)
    std::string log;                   // required
    std::string source;                // required: URL of a manifest or of a channel
    std::vector<std::string> mirrors;  // URLs of the same elsewhere, in the order in which they are asked
    std::string name;                  // required: of the mapped device below /dev/mapper
    std::string cache;                 // a path or a tag; "": none
    OfflinePolicy offline = OfflinePolicy::wait;
    bool adopt = false;            // provision a disk that holds something else
    bool allow_downgrade = false;  // format a log for a version below the floor in the one that is there
    bool allow_off = false;        // let the kernel argument regild=off skip the restore
    bool allow_discards = false;   // pass discards down (they mark blocks)
    std::chrono::seconds device_timeout{30};
};

// Unknown or duplicate keys, wrong types and missing keys are errors (Failure::usage) that name the key.
Result<Configuration> parse_configuration(std::string_view json);

}  // namespace regild::format
