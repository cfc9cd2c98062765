// SPDX-License-Identifier: GPL-2.0-or-later
// The golden files in tests/data; its README.md says what they hold.
#pragma once

#include <fstream>
#include <iterator>
#include <string>

#include "base/bytes.hpp"

namespace regild::test {

// Absolute.
std::string golden_path(const std::string& name);

inline std::string golden_text(const std::string& name) {
    std::ifstream stream(golden_path(name), std::ios::binary);
    if (!stream) throw std::runtime_error("missing golden file " + name);
    return {std::istreambuf_iterator<char>(stream), {}};
}

inline ByteVector golden_bytes(const std::string& name) {
    const std::string text = golden_text(name);
    const ConstByteSpan bytes = as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

}  // namespace regild::test
