// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/patience.hpp"

#include <utility>

namespace regild::net {

using std::chrono::milliseconds;

void Patience::received(Clock::time_point now, Bytes fresh) {
    if (fresh > Bytes(0)) arrivals_.emplace_back(now, fresh);
}

bool Patience::is_over(Clock::time_point now) {
    return too_slow(now, window_);
}

bool Patience::wears_thin(Clock::time_point now) {
    const bool thin = too_slow(now, Clock::duration(window_) / 2);
    return !std::exchange(told_, thin) && thin;
}

Bytes Patience::received_lately(Clock::time_point now, Clock::duration time) {
    while (!arrivals_.empty() && arrivals_.front().first <= now - window_)
        arrivals_.pop_front();
    Bytes sum;
    for (const auto& [when, bytes] : arrivals_)
        if (when > now - time) sum += bytes;
    return sum;
}

bool Patience::too_slow(Clock::time_point now, Clock::duration time) {
    if (now - started_ < time) return false;
    const auto allowed = std::chrono::duration_cast<milliseconds>(time).count();
    return received_lately(now, time) <
           Bytes(minimum_rate.count() * static_cast<std::uint64_t>(allowed) / 1000);
}

}  // namespace regild::net
