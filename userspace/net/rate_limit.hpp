// SPDX-License-Identifier: GPL-2.0-or-later
// How much may come a second, over all connections of a fetcher together. Pure: whoever waits tells the time.
#pragma once

#include <chrono>

#include "base/units.hpp"

namespace regild::net {

class RateLimit {
  public:
    using Clock = std::chrono::steady_clock;

    // Bytes a second; 0: no limit.
    explicit RateLimit(Bytes per_second) : per_second_(per_second) {}

    bool is_set() const { return per_second_ > Bytes(0); }
    // Whether bytes may be taken at `now`. As many as come at once may be: they are paid for afterwards.
    bool allows(Clock::time_point now) const { return now >= paid_until_; }
    void received(Clock::time_point now, Bytes bytes);
    // From then on bytes may be taken.
    Clock::time_point next() const { return paid_until_; }
    // Of the `most` connections that there may be, so many that none of them has to wait for long between two
    // pieces: a server gives up a client that takes nothing.
    std::size_t connections(std::size_t most) const;

  private:
    Bytes per_second_;
    Clock::time_point paid_until_{};
};

// A clock that stands still while we hold something up: for who judges how fast a server is.
class UnheldTime {
  public:
    using Clock = RateLimit::Clock;

    explicit UnheldTime(Clock::time_point now) : last_(now) {}
    // `held`: something is held from now until the next call.
    Clock::time_point at(Clock::time_point now, bool held) {
        if (held_) stood_still_ += now - last_;
        last_ = now;
        held_ = held;
        return now - stood_still_;
    }

  private:
    Clock::time_point last_;
    Clock::duration stood_still_{};
    bool held_ = false;
};

}  // namespace regild::net
