// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <string>

#include "base/result.hpp"

namespace regild {

// A small file, or its first `limit` bytes: whoever allows one less sees that it is too long.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit);

}  // namespace regild
