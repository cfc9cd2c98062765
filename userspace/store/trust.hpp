// SPDX-License-Identifier: GPL-2.0-or-later
// Whose word counts for what an image is (invariant 11).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "codec/ed25519.hpp"

namespace regild::store {

class Trust {
  public:
    // There are no keys: whatever comes is believed.
    Trust() = default;
    // In what they sign of this image; "": of any.
    explicit Trust(codec::PublicKeys keys, std::string image = "")
        : keys_(std::move(keys)), image_(std::move(image)) {}

    bool has_keys() const { return keys_.has_value(); }
    // Failure::source where there are keys and none of them made this signature of the text; a text without a
    // signature has "".
    Result<void> check(std::string_view text, std::string_view signature) const;
    // Whether what is signed may say that the volume holds this image.
    bool allows(const std::string& image) const { return !keys_ || image_.empty() || image == image_; }

  private:
    std::optional<codec::PublicKeys> keys_;
    std::string image_;
};

}  // namespace regild::store
