// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/policy.hpp"

#include <algorithm>

namespace regild::boot {
namespace {

using std::chrono::seconds;

constexpr seconds first_delay{2};
constexpr seconds longest_delay{30};
constexpr unsigned doublings = 4;  // 2 s to 32 s

}  // namespace

std::optional<seconds> delay_before_retry(Failure kind, unsigned failures, format::OfflinePolicy policy) {
    if (policy == format::OfflinePolicy::halt) return std::nullopt;
    const bool worth_it =
        kind == Failure::network || (kind == Failure::source && failures <= most_retries_of_a_bad_source);
    if (!worth_it) return std::nullopt;
    return std::min(first_delay * (1U << std::min(failures - 1, doublings)), longest_delay);
}

bool may_appear(Failure kind) {
    return kind == Failure::disk;
}

}  // namespace regild::boot
