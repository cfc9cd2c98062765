// SPDX-License-Identifier: GPL-2.0-or-later
// Writing small files and folders so that a power cut leaves the old state or the new one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "base/result.hpp"

namespace regild {

// Readers of `path` see the old content or the new one, also after a power cut. `mode` is set whatever the
// umask says.
Result<void> replace_file(const std::filesystem::path& path, std::string_view text, mode_t mode);
// The names in the folder are on stable storage.
Result<void> sync_folder(const std::filesystem::path& folder);

}  // namespace regild
