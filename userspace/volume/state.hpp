// SPDX-License-Identifier: GPL-2.0-or-later
// What a volume as a whole is, as its log tells. Pure: facts in, words and verdicts out.
#pragma once

#include <optional>
#include <string>

#include "log/write_log.hpp"

namespace regild::volume {

struct VolumeFacts {
    std::optional<format::VolumeState> state;  // nothing without a usable log
    Blocks marked;                             // 0 without a usable log
    bool trial_over = false;                   // the version was not confirmed in time, and is to be left
    std::optional<format::Thaw> thaw{};        // sessions are to be kept, as the record has it
};
// Of a log with a valid record; nothing is known without one.
VolumeFacts facts_of(const log::WriteLog& log);

// Whether nothing is to be done: golden, and no block is marked.
bool is_clean(const VolumeFacts& facts);

// "golden"; "provisioned, 2466 blocks to restore"; "restoring, 12 blocks to restore"; "provisioning, ...".
// Only of a volume with a usable log.
std::string state_text(const VolumeFacts& facts);

}  // namespace regild::volume
