// SPDX-License-Identifier: GPL-2.0-or-later
// Asking a server not at once: a fleet that starts together must not ask together.
#pragma once

#include "boot/boot.hpp"

namespace regild::boot {

// Asks `fetcher`, and waits for `delay` before the first request over a network, which the observer hears of.
// The observer outlives it.
std::unique_ptr<net::Fetcher> make_late_fetcher(std::unique_ptr<net::Fetcher> fetcher,
                                                std::chrono::milliseconds delay, Wait wait,
                                                Observer& observer);

}  // namespace regild::boot
