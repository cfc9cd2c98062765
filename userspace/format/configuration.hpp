// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration of `regild boot`: one JSON object; regild.json(5) documents every key.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/units.hpp"

namespace regild::format {

inline constexpr std::size_t max_configuration_size = 65536;  // bytes
inline constexpr std::size_t max_mirrors = 15;
inline constexpr std::size_t max_offline_message = 400;  // bytes
// The least keeps what a request brings coming in.
inline constexpr Bytes least_limit_rate = KiB(16);

// What to do when blocks are to be restored and the server cannot give them.
enum class OfflinePolicy {
    wait,  // try again
    halt,  // start nothing
    boot,  // start the volume as the last session left it, where it is complete (invariant 9)
};

// When to ask the source for a newer version.
enum class UpdatePolicy {
    never,   // the volume keeps the version that it has
    dirty,   // where a boot needs the network anyway
    boot,    // at each boot
    staged,  // what a session has staged
};

// Whether a block that is not marked is believed to be golden.
enum class LogTrust {
    marks,  // it is: whatever writes goes through the target
    hash,   // not before it was hashed: a session may have got past the target
};

struct OfflineRules {
    OfflinePolicy policy = OfflinePolicy::wait;
    // How long to try again, from the first failure on, before a boot gives up or starts what is there;
    // nothing: without end.
    std::optional<std::chrono::seconds> patience;
    std::uint32_t most_boots = 10;  // with the policy boot: in a row, of a volume that was not restored
    std::string message;            // for whoever stands before the screen; "": none
    std::optional<std::chrono::seconds> reboot;  // how long after it has given up the machine starts anew
};

struct Configuration {
    std::string data;                  // required: a path or a tag (PARTLABEL=, PARTUUID=, UUID=, LABEL=)
    std::string log;                   // required
    std::string source;                // required: URL of a manifest or of a channel
    std::vector<std::string> mirrors;  // URLs of the same elsewhere, in the order in which they are asked
    std::string name;                  // required: of the mapped device below /dev/mapper
    std::string cache;                 // a path or a tag; "": none
    std::string golden_copy;           // likewise: a device or file that holds the image as it is
    std::string keys;                  // a file of public keys in PEM, see store/trust.hpp; "": none
    UpdatePolicy update = UpdatePolicy::never;
    LogTrust trust = LogTrust::marks;
    std::vector<std::string> tags;             // of this machine, at most max_tags names
    std::optional<std::chrono::days> max_age;  // of a channel that is believed; nothing: any
    std::uint32_t trial_boots = 0;  // within which a new version is to be confirmed; 0: it need not be
    OfflineRules offline;
    // How the source is reached. Files in PEM, and the URL of a proxy; "": none.
    std::string tls_ca;
    std::string tls_cert;
    std::string tls_key;
    std::string proxy;
    // Files of what the sources alone are told; "": none.
    std::string bearer_token_file;
    std::string headers_file;
    Bytes limit_rate;                     // bytes a second of what is fetched; 0: no limit
    std::optional<Bytes> max_fetch;       // a restore that needs more is refused; nothing: no limit
    std::chrono::seconds start_jitter{};  // the first request of a boot waits for up to so long
    bool adopt = false;                   // provision a disk that holds something else
    bool allow_downgrade = false;  // format a log for a version below the floor in the one that is there
    bool allow_off = false;        // let the kernel argument regild=off skip the restore
    bool read_back = false;        // what a restore wrote is read again and hashed
    bool allow_thaw = false;       // let `regild thaw` have boots keep what sessions wrote
    bool allow_discards = false;   // pass discards down (they mark blocks)
    std::chrono::seconds device_timeout{30};
};

// Unknown or duplicate keys, wrong types and missing keys are errors (Failure::usage) that name the key.
Result<Configuration> parse_configuration(std::string_view json);

}  // namespace regild::format
