// SPDX-License-Identifier: GPL-2.0-or-later
// The threads that verify what has come, so that the loop which fetches does not stand still meanwhile.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "net/fetcher.hpp"

namespace regild::net {

class Verifiers {
  public:
    // Both must outlive it. `wake` is called on the threads, each time that one of them has a verdict.
    Verifiers(Ranges& ranges, std::function<void()> wake);
    // Waits for the threads.
    ~Verifiers();
    Verifiers(const Verifiers&) = delete;
    Verifiers& operator=(const Verifiers&) = delete;

    void submit(std::size_t number);
    struct Verdict {
        std::size_t number = 0;
        Result<void> result;
    };
    // Nothing: there is none at the moment.
    std::optional<Verdict> take();
    // Waits for one; nothing when all that was submitted has been taken.
    std::optional<Verdict> wait();

  private:
    void work();

    Ranges& ranges_;
    const std::function<void()> wake_;
    std::mutex mutex_;  // guards what follows
    std::condition_variable submitted_;
    std::condition_variable verified_;
    std::deque<std::size_t> waiting_;
    std::deque<Verdict> verdicts_;
    std::size_t pending_ = 0;  // submitted and not taken
    std::size_t idle_ = 0;     // threads
    bool ended_ = false;
    std::vector<std::jthread> threads_;  // the last member: they use all others
};

}  // namespace regild::net
