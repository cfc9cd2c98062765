// SPDX-License-Identifier: GPL-2.0-or-later
// What would make restores of an image fetch less.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "publish/file_system.hpp"

namespace regild::publish {

struct Advice {
    std::string why;      // a sentence without a full stop
    std::string command;  // for a shell, with the image unmounted
};

// In the order in which the commands are to be run. Commands differ where the image is a block device.
std::vector<Advice> advice_for(const FileSystemReport& report, const std::filesystem::path& image);

}  // namespace regild::publish
