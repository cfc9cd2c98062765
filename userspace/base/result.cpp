// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/result.hpp"

#include <system_error>

namespace regild {

Error errno_error(const std::string& what, int error_number) {
    return {Failure::failed, what + ": " + std::generic_category().message(error_number)};
}

}  // namespace regild
