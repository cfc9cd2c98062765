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

bool is_offline(Failure kind) {
    return kind == Failure::network || kind == Failure::source;
}

std::optional<seconds> delay_before_retry(const Failures& failures, const format::OfflineRules& rules) {
    if (rules.policy == format::OfflinePolicy::halt || !is_offline(failures.kind)) return std::nullopt;
    if (failures.kind == Failure::source && failures.count > most_retries_of_a_bad_source)
        return std::nullopt;
    const seconds delay =
        std::min(first_delay * (1U << std::min(failures.count - 1, doublings)), longest_delay);
    if (!rules.patience) return delay;
    if (failures.since_first >= *rules.patience) return std::nullopt;
    return std::min(delay, *rules.patience - failures.since_first);
}

bool may_appear(Failure kind) {
    return kind == Failure::disk;
}

}  // namespace regild::boot
