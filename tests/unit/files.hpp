// SPDX-License-Identifier: GPL-2.0-or-later
// Whole files as strings.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace regild::test {

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
}

// Of a file that is there: the rest stays as it is.
inline void overwrite(const std::filesystem::path& path, std::size_t offset, const std::string& text) {
    std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(static_cast<std::streamoff>(offset));
    stream << text;
}

}  // namespace regild::test
