// SPDX-License-Identifier: GPL-2.0-or-later
// What of a version follows from its names alone, so that whoever makes it comes to the same hash tree.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.hpp"
#include "base/uuid.hpp"

namespace regild::codec {

// SHA-256("regild salt " + image): one per image, so that two versions of it can be compared from their hash
// trees alone.
Digest image_salt(const std::string& image);
// Of the hash tree: the first 16 bytes of SHA-256("regild tree " + image + " " + version), with the version
// (8, "custom") and variant bits of RFC 9562, the successor of RFC 4122.
Uuid version_uuid(const std::string& image, std::uint64_t version);

}  // namespace regild::codec
