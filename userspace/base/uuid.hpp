// SPDX-License-Identifier: GPL-2.0-or-later
// A UUID as 16 bytes in the order in which they are written as text (RFC 4122).
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace regild {

struct Uuid {
    std::array<std::byte, 16> bytes{};
    bool operator==(const Uuid&) const = default;

    static Result<Uuid> random();  // version 4, from getrandom(2)
    static Result<Uuid> parse(std::string_view text);
    std::string text() const;  // 8-4-4-4-12, lower case
};

}  // namespace regild
