// SPDX-License-Identifier: GPL-2.0-or-later
// What a login says of the machine, in a file that pam_motd(8) shows: whether what is changed is kept.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "boot/boot.hpp"

namespace regild::cli {

// `thaw`: as the record has it; nothing: the machine is frozen.
std::string banner_text(const std::optional<format::Thaw>& thaw);
std::string banner_text(const boot::BootReport& report);

// Into motd.d in this folder, which is /run, readable by all.
Result<void> write_banner(const std::filesystem::path& run, const std::string& text);
// The same where a boot has written one.
Result<void> renew_banner(const std::filesystem::path& run, const std::string& text);

}  // namespace regild::cli
