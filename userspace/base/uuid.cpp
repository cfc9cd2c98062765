// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/uuid.hpp"

#include <sys/random.h>

#include <algorithm>

#include "base/bytes.hpp"

namespace regild {
namespace {

constexpr std::size_t text_size = 36;
constexpr std::array<std::size_t, 4> dashes = {8, 13, 18, 23};

}  // namespace

Result<Uuid> Uuid::random() {
    Uuid uuid;
    ssize_t n = 0;
    do {
        n = getrandom(uuid.bytes.data(), uuid.bytes.size(), 0);
    } while (n < 0 && errno == EINTR);
    // The kernel gives requests of up to 256 bytes whole.
    if (n != static_cast<ssize_t>(uuid.bytes.size())) return errno_error("cannot get random bytes");
    uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x40};
    uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
    return uuid;
}

Result<Uuid> Uuid::parse(std::string_view text) {
    const Error error{Failure::failed, "'" + std::string(text.substr(0, 64)) + "' is not a UUID"};
    if (text.size() != text_size) return error;
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = std::find(dashes.begin(), dashes.end(), i) != dashes.end();
        if (dash != (text[i] == '-')) return error;
        if (!dash) digits += text[i];
    }
    const std::optional<ByteVector> bytes = from_hex(digits);
    if (!bytes) return error;
    Uuid uuid;
    std::copy(bytes->begin(), bytes->end(), uuid.bytes.begin());
    return uuid;
}

std::string Uuid::text() const {
    std::string text = to_hex(bytes);
    for (const std::size_t dash : dashes)
        text.insert(dash, "-");
    return text;
}

}  // namespace regild
