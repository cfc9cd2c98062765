// SPDX-License-Identifier: GPL-2.0-or-later
// The one unit test file whose object depends on where the tree is.
#include "format_golden.hpp"

namespace regild::test {

std::string golden_path(const std::string& name) {
    return REGILD_TEST_DATA "/" + name;
}

}  // namespace regild::test
