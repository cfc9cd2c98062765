// SPDX-License-Identifier: GPL-2.0-or-later
// How far a piece of work has come, from whichever threads do it.
#pragma once

#include <algorithm>
#include <mutex>

#include "base/observer.hpp"

namespace regild {

class Progress {
  public:
    // All must outlive it; `what` is for Observer::progress.
    Progress(Observer& observer, const char* what, Bytes total)
        : observer_(observer), what_(what), total_(total) {}
    void add(Bytes bytes) {
        const std::lock_guard lock(mutex_);
        done_ += bytes;  // more than the total when a log sector becomes unreadable after it was counted
        observer_.progress(what_, std::min(done_, total_), total_);
    }
    // What was added and is to be done again.
    void take_back(Bytes bytes) {
        const std::lock_guard lock(mutex_);
        done_ -= bytes;
    }

  private:
    std::mutex mutex_;
    Observer& observer_;
    const char* const what_;
    Bytes done_;
    const Bytes total_;
};

}  // namespace regild
