// SPDX-License-Identifier: GPL-2.0-or-later
// When the next request may start after one failed. Pure: whoever waits tells the time.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace regild::net {

// Shared by all connections: a server that cannot answer one request is not asked others meanwhile.
class BackOff {
  public:
    using Clock = std::chrono::steady_clock;

    // Never waits for longer than `longest`.
    explicit BackOff(std::chrono::milliseconds longest)
        : longest_(longest), random_(std::random_device{}()) {}

    Clock::time_point not_before() const { return not_before_; }
    void succeeded() { doublings_ = 0; }
    // `retry_after` is what the server asks for, or 0.
    void failed(Clock::time_point now, std::chrono::seconds retry_after) {
        using std::chrono::milliseconds;
        using std::chrono::seconds;
        milliseconds wait(0);
        // Requests that ran when the first one failed and fail as well tell nothing new.
        if (now >= not_before_) {
            const milliseconds full = first * (1 << doublings_);
            doublings_ = std::min(doublings_ + 1, max_doublings);
            // Half fixed, half random: a thousand kiosks that were turned away together come back apart.
            wait = full / 2 + milliseconds(std::uniform_int_distribution<long>(0, full.count() / 2)(random_));
        }
        // Cut off first: what a server asks for may not fit milliseconds.
        wait = std::max(wait, milliseconds(std::min(retry_after, std::chrono::ceil<seconds>(longest_))));
        not_before_ = std::max(not_before_, now + std::min(wait, longest_));
    }

  private:
    static constexpr std::chrono::milliseconds first{100};
    static constexpr unsigned max_doublings = 6;  // 6.4 s

    std::chrono::milliseconds longest_;
    Clock::time_point not_before_;
    unsigned doublings_ = 0;
    std::minstd_rand random_;
};

}  // namespace regild::net
