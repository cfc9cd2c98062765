// SPDX-License-Identifier: GPL-2.0-or-later
// Whose word counts for what an image is (invariant 11).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "codec/ed25519.hpp"

namespace regild::store {

// How old a channel may be that is believed.
struct Freshness {
    std::uint64_t now = 0;                 // seconds since 1970
    std::optional<std::uint64_t> max_age;  // seconds; nothing: of any age
};

class Trust {
  public:
    // There are no keys: whatever comes is believed.
    Trust() = default;
    // In what they sign of this image; "": of any.
    explicit Trust(codec::PublicKeys keys, std::string image = "", Freshness freshness = {})
        : keys_(std::move(keys)), image_(std::move(image)), freshness_(freshness) {}

    bool has_keys() const { return keys_.has_value(); }
    // Failure::source where there are keys and none of them made this signature of the text; a text without a
    // signature has "".
    Result<void> check(std::string_view text, std::string_view signature) const;
    // Failure::source where a channel that was issued then is too old. A clock that is behind makes none too
    // old; it does not count as earlier than `seen`, when another one was issued that was believed.
    Result<void> check_age(std::uint64_t issued, std::uint64_t seen = 0) const;
    // Whether what is signed may say that the volume holds this image.
    bool allows(const std::string& image) const { return !keys_ || image_.empty() || image == image_; }

  private:
    std::optional<codec::PublicKeys> keys_;
    std::string image_;
    Freshness freshness_;
};

}  // namespace regild::store
