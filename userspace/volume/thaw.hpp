// SPDX-License-Identifier: GPL-2.0-or-later
// A volume that is thawed keeps what sessions write from boot to boot: what its record says of that.
#pragma once

#include "log/write_log.hpp"

namespace regild::volume {

// How long what is written from now on is kept: "for 3 more boots", "until 2026-12-01 18:00:00 UTC" or "until
// 'regild freeze'".
std::string how_long(const format::Thaw& thaw);

// What is left of it after one more boot.
std::optional<format::Thaw> after_boot(format::Thaw thaw);

// Boots keep what sessions wrote from now on. Failure::refused: the volume is half restored, or its version
// is on trial, which would end in a restore. May be called while the volume is mapped.
Result<void> thaw(log::WriteLog& log, format::Thaw thaw);
// The next boot restores. False: it would anyway. May be called while the volume is mapped.
Result<bool> freeze(log::WriteLog& log);
// The volume is about to be mapped as the last session left it, because it is thawed. Durable when it
// returns.
Result<void> count_thawed_boot(log::WriteLog& log);
// Failure::refused if the volume is thawed: what `command` would undo is meant to stay.
Result<void> check_not_thawed(const log::WriteLog& log, const std::string& command);

}  // namespace regild::volume
