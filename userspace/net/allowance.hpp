// SPDX-License-Identifier: GPL-2.0-or-later
// How many bytes of bodies may come over a network in all.
#pragma once

#include <optional>

#include "base/units.hpp"

namespace regild::net {

class Allowance {
  public:
    // With what is taken already; nothing: any number.
    void set(std::optional<Bytes> most) { most_ = most; }
    // False: so many are not left, and none is taken.
    bool take(Bytes bytes) {
        if (most_ && taken_ + bytes > *most_) return false;
        taken_ += bytes;
        return true;
    }
    // Of those that were taken; they have not come.
    void give_back(Bytes bytes) { taken_ -= bytes; }
    Bytes taken() const { return taken_; }
    // To be said where take() was false.
    Error exceeded(const std::string& url) const {
        return {Failure::refused, url + ": more than " + format_size(most_.value_or(taken_)) +
                                      " would have to be fetched, and max_fetch allows no more: allow more "
                                      "with --max-fetch or in the configuration; where requests had to be "
                                      "repeated another run goes on"};
    }

  private:
    std::optional<Bytes> most_;
    Bytes taken_;
};

}  // namespace regild::net
