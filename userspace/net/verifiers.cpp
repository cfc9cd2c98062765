// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/verifiers.hpp"

#include <algorithm>

namespace regild::net {
namespace {

constexpr unsigned min_threads = 2;
constexpr unsigned max_threads = 4;

}  // namespace

Verifiers::Verifiers(Ranges& ranges, std::function<void()> wake) : ranges_(ranges), wake_(std::move(wake)) {}

Verifiers::~Verifiers() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    submitted_.notify_all();
}

void Verifiers::submit(std::size_t number) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(number);
    ++pending_;
    if (idle_ < waiting_.size() &&
        threads_.size() < std::clamp(std::thread::hardware_concurrency(), min_threads, max_threads))
        threads_.emplace_back([this] { work(); });
    submitted_.notify_one();
}

std::optional<Verifiers::Verdict> Verifiers::take() {
    const std::lock_guard lock(mutex_);
    if (verdicts_.empty()) return std::nullopt;
    Verdict verdict = std::move(verdicts_.front());
    verdicts_.pop_front();
    --pending_;
    return verdict;
}

std::optional<Verifiers::Verdict> Verifiers::wait() {
    {
        std::unique_lock lock(mutex_);
        verified_.wait(lock, [this] { return !verdicts_.empty() || pending_ == 0; });
    }
    return take();
}

void Verifiers::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        submitted_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
        --idle_;
        if (ended_) return;
        const std::size_t number = waiting_.front();
        waiting_.pop_front();
        lock.unlock();
        Result<void> result = ranges_.verify(number);
        lock.lock();
        verdicts_.push_back({number, std::move(result)});
        verified_.notify_one();
        wake_();
    }
}

}  // namespace regild::net
