// SPDX-License-Identifier: GPL-2.0-or-later
// What the image record keeps of channels. It counts only as far as the keys of today's configuration signed
// it (invariant 11): what a key signed that was taken out since is forgotten, and so is what nobody signed.
#pragma once

#include <string>
#include <vector>

#include "format/image_record.hpp"
#include "format/manifest.hpp"
#include "store/trust.hpp"

namespace regild::store {

struct SignedChannel : format::Channel {
    std::string text;       // as it was served
    std::string signature;  // of the text; "" where there are no keys
};

// The one that was believed last first, of each name one.
class KnownChannels {
  public:
    KnownChannels() = default;
    // Of what a record keeps the channels of this image that one of the keys signed; without keys none.
    KnownChannels(const format::KeptChannels& kept, const std::string& image, const Trust& trust);

    // Each is nullptr where there is none.
    const SignedChannel* with_name(const std::string& name) const;
    const SignedChannel* with_text(const std::string& text) const;
    const SignedChannel* last() const { return channels_.empty() ? nullptr : &channels_.front(); }
    // What a record is to keep when this one is believed next: of too many the one is forgotten that has not
    // been believed for the longest time.
    format::KeptChannels kept_with(const SignedChannel& believed) const;

  private:
    std::vector<SignedChannel> channels_;
};

}  // namespace regild::store
