// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/rate_limit.hpp"

#include <algorithm>

namespace regild::net {
namespace {

// What was not used may be made up for so long.
constexpr std::chrono::milliseconds longest_credit{100};
// For each connection that is used.
constexpr Bytes share = KiB(64);

}  // namespace

void RateLimit::received(Clock::time_point now, Bytes bytes) {
    if (!is_set()) return;
    constexpr std::uint64_t second = std::nano::den;
    const std::uint64_t whole = bytes.count() / per_second_.count();
    const std::uint64_t rest = bytes.count() % per_second_.count();
    const std::chrono::nanoseconds price(whole * second + rest * second / per_second_.count());
    paid_until_ = std::max(paid_until_, now - longest_credit) + price;
}

std::size_t RateLimit::connections(std::size_t most) const {
    if (!is_set()) return most;
    return std::clamp<std::size_t>(per_second_.count() / share.count(), 1, most);
}

}  // namespace regild::net
