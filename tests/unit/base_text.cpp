// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.hpp"

#include <catch2/catch.hpp>

using namespace regild;

TEST_CASE("a stranger's text gives a terminal no orders") {
    CHECK(printable("\x1b[31mred\n\x7f") == "?[31mred??");
    CHECK(printable("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") ==
          "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK(printable("\xc2\x9b"
                    "31m") == "??31m");  // CSI as a C1 character
    CHECK(printable("\x9b"
                    "31m") == "?31m");  // and as a byte of ISO 8859
    for (const char* bad : {"\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
        CHECK_FALSE(is_printable(bad));
        CHECK(printable(bad) == std::string(std::string_view(bad).size(), '?'));
    }
    CHECK(is_printable(""));
    CHECK(is_printable("kiosk \xc3\xa4"));
    CHECK_FALSE(is_printable(std::string_view("a\0b", 3)));
}
