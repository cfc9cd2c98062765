// SPDX-License-Identifier: GPL-2.0-or-later
// How long a server is waited for: until too few of the bytes that are still missing have come in a while.
// Pure: whoever waits tells the time.
#pragma once

#include <chrono>
#include <deque>

#include "base/units.hpp"

namespace regild::net {

class Patience {
  public:
    using Clock = std::chrono::steady_clock;

    // Less than this a second, over all connections together and over the whole window, is no answer but a
    // drip. A modem of 56 kbit/s brings six times as much.
    static constexpr Bytes minimum_rate = KiB(1);

    // Starts to wait at `now`.
    Patience(std::chrono::seconds window, Clock::time_point now) : window_(window), started_(now) {}

    // Only bytes that no try has brought before: what is sent again keeps no patience alive.
    void received(Clock::time_point now, Bytes fresh);

    // The window has passed with fewer bytes in it than the minimum rate allows.
    bool is_over(Clock::time_point now);
    // The same for half of the window: somebody should hear of it. Once, until it has gone better for as
    // long.
    bool wears_thin(Clock::time_point now);
    Bytes received_lately(Clock::time_point now, Clock::duration time);
    std::chrono::seconds window() const { return window_; }

  private:
    bool too_slow(Clock::time_point now, Clock::duration time);

    std::chrono::seconds window_;
    Clock::time_point started_;
    bool told_ = false;
    std::deque<std::pair<Clock::time_point, Bytes>> arrivals_;  // within the window
};

}  // namespace regild::net
