// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/fetcher.hpp"

namespace regild::net {
namespace {

class OfflineFetcher final : public Fetcher {
  public:
    Result<std::string> get(const Url& url, std::size_t) override { return needed(url); }
    Result<void> get_ranges(const Url& url, Ranges&) override { return needed(url); }
    Totals totals() const override { return {}; }

  private:
    static Error needed(const Url& url) {
        return {Failure::network, "the network is needed to ask " + url.shown()};
    }
};

}  // namespace

std::unique_ptr<Fetcher> make_offline_fetcher() {
    return std::make_unique<OfflineFetcher>();
}

}  // namespace regild::net
