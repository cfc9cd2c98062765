// SPDX-License-Identifier: GPL-2.0-or-later
// Whether somebody asked us to stop (SIGINT, SIGTERM). Long work looks at it between steps and returns
// Failure::interrupted, leaving a resumable state.
#pragma once

#include <atomic>

namespace regild {

class StopFlag {
  public:
    void request() { stop_.store(true, std::memory_order_relaxed); }  // async-signal-safe
    bool requested() const { return stop_.load(std::memory_order_relaxed); }

  private:
    std::atomic<bool> stop_{false};
    static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace regild
