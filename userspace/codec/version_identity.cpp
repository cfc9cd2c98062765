// SPDX-License-Identifier: GPL-2.0-or-later
#include "codec/version_identity.hpp"

#include <algorithm>

#include "codec/sha256.hpp"

namespace regild::codec {

Digest image_salt(const std::string& image) {
    return SaltedSha256(as_bytes("regild salt "))(as_bytes(image));
}

Uuid version_uuid(const std::string& image, std::uint64_t version) {
    const Digest digest =
        SaltedSha256(as_bytes("regild tree "))(as_bytes(image + " " + std::to_string(version)));
    Uuid uuid;
    std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
    uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x80};  // version 8
    uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};  // RFC variant
    return uuid;
}

}  // namespace regild::codec
