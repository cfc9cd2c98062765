// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/late_fetcher.hpp"

#include <utility>

namespace regild::boot {
namespace {

using std::chrono::milliseconds;

class LateFetcher final : public net::Fetcher {
  public:
    LateFetcher(std::unique_ptr<net::Fetcher> fetcher, milliseconds delay, Wait wait, Observer& observer)
        : fetcher_(std::move(fetcher)), delay_(delay), wait_(std::move(wait)), observer_(observer) {}

    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        if (Result<void> waited = wait_for(url); !waited) return waited.error();
        return fetcher_->get(url, limit);
    }
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (Result<void> waited = wait_for(url); !waited) return waited;
        return fetcher_->get_ranges(url, ranges);
    }
    net::Totals totals() const override { return fetcher_->totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_->allow(most); }

  private:
    Result<void> wait_for(const net::Url& url) {
        if (delay_ == milliseconds(0) || url.is_local()) return {};
        observer_.event("waiting " + std::to_string(std::chrono::ceil<std::chrono::seconds>(delay_).count()) +
                        " s before the first request: start_jitter");
        return wait_(std::exchange(delay_, milliseconds(0)));
    }

    std::unique_ptr<net::Fetcher> fetcher_;
    milliseconds delay_;  // that is still to come
    Wait wait_;
    Observer& observer_;
};

}  // namespace

std::unique_ptr<net::Fetcher> make_late_fetcher(std::unique_ptr<net::Fetcher> fetcher, milliseconds delay,
                                                Wait wait, Observer& observer) {
    return std::make_unique<LateFetcher>(std::move(fetcher), delay, std::move(wait), observer);
}

}  // namespace regild::boot
