// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

namespace regild::dm {

constexpr const char* target_type = "writelog";  // kernel/writelog.rst

}  // namespace regild::dm
