// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace regild {

// A small file, or its first `limit` bytes: whoever allows one less sees that it is too long.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);
// The same of a file that others have no business with. Failure::usage, also where every user may read or
// write it.
Result<std::string> read_secret(const std::filesystem::path& path, std::size_t limit);

}  // namespace regild
