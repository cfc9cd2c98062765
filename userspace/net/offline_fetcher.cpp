// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/fetcher.hpp"

namespace regild::net {
namespace {

class OfflineFetcher final : public Fetcher {
  public:
    explicit OfflineFetcher(std::unique_ptr<Fetcher> fetcher) : fetcher_(std::move(fetcher)) {}
    Result<std::string> get(const Url& url, std::size_t limit) override {
        if (!url.is_local()) return needed(url);
        return fetcher_->get(url, limit);
    }
    Result<void> get_ranges(const Url& url, Ranges& ranges) override {
        if (!url.is_local()) return needed(url);
        return fetcher_->get_ranges(url, ranges);
    }
    Totals totals() const override { return fetcher_->totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_->allow(most); }

  private:
    static Error needed(const Url& url) {
        return {Failure::network, "the network is needed to ask " + url.shown()};
    }
    std::unique_ptr<Fetcher> fetcher_;
};

}  // namespace

std::unique_ptr<Fetcher> make_offline_fetcher(std::unique_ptr<Fetcher> fetcher) {
    return std::make_unique<OfflineFetcher>(std::move(fetcher));
}

}  // namespace regild::net
