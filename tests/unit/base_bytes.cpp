// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/bytes.hpp"

#include <catch2/catch.hpp>

#include "base/crc32c.hpp"
#include "base/mapped_name.hpp"
#include "base/result.hpp"
#include "base/uuid.hpp"

using namespace regild;

TEST_CASE("CRC-32C gives the values of RFC 3720") {
    CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);
    CHECK(crc32c({}) == 0);
    ByteVector bytes(32);
    CHECK(crc32c(bytes) == 0x8a9136aa);
    for (std::byte& byte : bytes)
        byte = std::byte{0xff};
    CHECK(crc32c(bytes) == 0x62a8ab43);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(i);
    CHECK(crc32c(bytes) == 0x46dd794e);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<std::byte>(31 - i);
    CHECK(crc32c(bytes) == 0x113fdb5c);
}

TEST_CASE("CRC-32C goes on where it ended") {
    CHECK(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))) == crc32c(as_bytes("123456789")));
}

TEST_CASE("hexadecimal digits are read in either case and written in lower case") {
    CHECK(to_hex(*from_hex("00ffA5bC")) == "00ffa5bc");
    CHECK(from_hex("")->empty());
    for (const char* bad : {"0", "0g", "zz", "0x", " 0", "-1"})
        CHECK_FALSE(from_hex(bad));
}

TEST_CASE("one bit anywhere is not zero") {
    ByteVector bytes(65536);
    CHECK(all_zero(bytes));
    CHECK(all_zero({}));
    for (const std::size_t at : {0, 1, 4096, 65535}) {
        bytes[at] = std::byte{0x80};
        CHECK_FALSE(all_zero(bytes));
        bytes[at] = std::byte{0};
    }
    const ByteVector ones(4096, std::byte{0xff});
    CHECK_FALSE(all_zero(ones));
    CHECK_FALSE(all_zero(ConstByteSpan(ones).first(1)));
}

TEST_CASE("a UUID is read and written as text") {
    const std::string text = "52474c44-6461-7461-8b1e-6f0c7d2a9e11";
    CHECK(Uuid::parse(text)->text() == text);
    CHECK(Uuid::parse("52474C44-6461-7461-8B1E-6F0C7D2A9E11")->text() == text);
    CHECK(Uuid::parse(text)->bytes[0] == std::byte{0x52});
    for (const std::string& bad :
         {std::string(), text + "0", text.substr(1), "0" + text.substr(1, 7) + "0" + text.substr(9),
          std::string(36, '-'), std::string(36, '0'), "g" + text.substr(1)})
        CHECK_FALSE(Uuid::parse(bad).ok());
}

TEST_CASE("random UUIDs are of version 4 and differ") {
    const Uuid a = *Uuid::random();
    CHECK(a.text()[14] == '4');
    CHECK(std::string("89ab").find(a.text()[19]) != std::string::npos);
    CHECK_FALSE(a == *Uuid::random());
}

TEST_CASE("a mapped device has a name that nothing needs to escape") {
    for (const char* good : {"root", "Kiosk-1.a_b+c#d", "..."})
        CHECK(is_valid_mapped_name(good));
    CHECK(is_valid_mapped_name(std::string(127, 'x')));
    for (const char* bad : {"", "control", ".", "..", "a/b", "a b", "a\n", "ü", "a:b", "a=b"})
        CHECK_FALSE(is_valid_mapped_name(bad));
    CHECK_FALSE(is_valid_mapped_name(std::string(128, 'x')));
    CHECK_FALSE(is_valid_mapped_name(std::string_view("a\0b", 3)));
}

TEST_CASE("an error tells its context first and keeps its kind") {
    const Error error = Error{Failure::refused, "in use"}.context("/dev/vda2");
    CHECK(error.message == "/dev/vda2: in use");
    CHECK(error.kind == Failure::refused);
    CHECK(errno_error("read /dev/vda", EIO).message == "read /dev/vda: Input/output error");
}
