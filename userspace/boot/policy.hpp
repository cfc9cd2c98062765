// SPDX-License-Identifier: GPL-2.0-or-later
// What a boot waits for, how often and for how long. Pure: who waits is boot.cpp.
#pragma once

#include <chrono>
#include <optional>

#include "base/result.hpp"
#include "format/configuration.hpp"

namespace regild::boot {

// How often a source that is no good (Failure::source) is asked again. With the delays below that is three
// and a half minutes, in which somebody may mend the server; what then follows is the operating system's
// panic=.
inline constexpr unsigned most_retries_of_a_bad_source = 10;

// Whether the server is to blame, so that the owner's policy says what happens.
bool is_offline(Failure kind);

// How it has gone until now, of the attempts of one boot.
struct Failures {
    Failure kind = Failure::network;  // of the last one
    unsigned count = 1;
    std::chrono::seconds since_first{0};
};
// How long to wait before the next attempt, from 2 s doubled up to 30 s, and no longer than the patience of
// `rules` lasts; nothing where it is time to give up. A server that cannot be reached is waited for without
// end where the owner sets none.
std::optional<std::chrono::seconds> delay_before_retry(const Failures& failures,
                                                       const format::OfflineRules& rules);

// Whether a device that cannot be opened for this reason may appear yet (invariant 10).
bool may_appear(Failure kind);

}  // namespace regild::boot
