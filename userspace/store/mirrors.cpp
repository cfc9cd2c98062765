// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/mirrors.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace regild::store {
namespace {

// The folder that holds the versions: beside a channel, above a manifest.
Result<net::Url> store_folder(const net::Url& document) {
    return document.sibling(document.file_name() == "manifest.json" ? "../" : "./");
}

// What is wanted, mirror after mirror: first what the one before did not bring.
class Rest final : public net::Ranges {
  public:
    explicit Rest(net::Ranges& wanted) : wanted_(wanted) {}

    // The next mirror, behind which there is another one unless it is the last.
    void ask_again(bool is_last) {
        is_last_ = is_last;
        again_.clear();
        for (const auto& [number, range] : missing_)
            again_.push_back(range);
        to_report_ = whole_;
    }
    std::optional<net::Range> next() override {
        std::optional<net::Range> range;
        if (again_.empty()) {
            range = wanted_.next();
            if (range) missing_.emplace(range->number, *range);
        } else {
            range = again_.front();
            again_.pop_front();
        }
        return range;
    }
    Result<void> verify(std::size_t number) override { return wanted_.verify(number); }
    Result<void> arrived(std::size_t number) override {
        Result<void> taken = wanted_.arrived(number);
        if (!taken) return taken;
        const auto found = missing_.find(number);
        whole_ += Bytes(found->second.into.size());
        missing_.erase(found);
        return taken;
    }
    // It is not asked once more where another one may have right ones.
    unsigned most_wrong() const override { return is_last_ ? wanted_.most_wrong() : 1; }
    void moved(Bytes bytes) override {
        to_report_ += bytes;
        if (to_report_ <= reported_) return;
        wanted_.moved(to_report_ - reported_);
        reported_ = to_report_;
    }

  private:
    net::Ranges& wanted_;
    bool is_last_ = true;
    std::map<std::size_t, net::Range> missing_;  // asked for, and not arrived
    std::deque<net::Range> again_;               // of them, at this mirror
    Bytes whole_;                                // of what has arrived
    Bytes reported_;
    Bytes to_report_;  // as far as has been seen, with what is asked for again
};

class MirroredFetcher final : public net::Fetcher {
  public:
    MirroredFetcher(std::unique_ptr<net::Fetcher> fetcher, std::vector<net::Url> documents,
                    Observer& observer)
        : fetcher_(std::move(fetcher)), documents_(std::move(documents)), observer_(observer) {}

    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        std::string text;
        Result<void> got = from_each(url, [&](const net::Url& at, bool) -> Result<void> {
            Result<std::string> answer = fetcher_->get(at, limit);
            if (!answer) return answer.error();
            text = *std::move(answer);
            return {};
        });
        if (!got) return got.error();
        return text;
    }

    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        Rest rest(ranges);
        return from_each(url, [&](const net::Url& at, bool is_last) -> Result<void> {
            rest.ask_again(is_last);
            return fetcher_->get_ranges(at, rest);
        });
    }

    bool refute(const net::Url& url) override {
        Resource& resource = resources_[url.with_credentials()];
        return resource.refuted.insert(resource.giver).second && resource.refuted.size() < documents_.size();
    }

    net::Totals totals() const override { return fetcher_->totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_->allow(most); }

  private:
    struct Resource {
        std::size_t giver = 0;          // the mirror that gave it last
        std::set<std::size_t> refuted;  // who gave what is wrong, or does not have it
    };

    // Who gave something last is the first, and who was refuted here comes last: he may have been mended
    // since.
    std::vector<std::size_t> order_for(const Resource& resource) const {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < documents_.size(); ++i)
            order.push_back((first_ + i) % documents_.size());
        std::stable_partition(order.begin(), order.end(),
                              [&](std::size_t number) { return !resource.refuted.contains(number); });
        return order;
    }

    template <class Ask>
    Result<void> from_each(const net::Url& url, Ask ask) {
        std::optional<Error> all;
        Resource& resource = resources_[url.with_credentials()];
        const std::vector<std::size_t> order = order_for(resource);
        for (const std::size_t number : order) {
            const Result<net::Url> at = at_mirror(url, number);
            const bool is_last = number == order.back();
            Result<void> asked = at ? ask(*at, is_last) : Result<void>(at.error());
            if (asked) {
                first_ = resource.giver = number;
                return asked;
            }
            const Error& why = asked.error();
            if (why.kind != Failure::source && why.kind != Failure::network) return asked;
            if (why.kind == Failure::source) resource.refuted.insert(number);
            if (!is_last) observer_.event(why.message + ": trying the next mirror");
            if (!all)
                all = why;
            else
                all = Error{why.kind == Failure::network ? why.kind : all->kind,
                            all->message + "; " + why.message};
        }
        return *all;
    }

    Result<net::Url> at_mirror(const net::Url& url, std::size_t number) const {
        if (number == 0) return url;
        if (url == documents_[0]) return documents_[number];
        const Result<net::Url> from = store_folder(documents_[0]);
        if (!from) return from.error();
        const Result<net::Url> to = store_folder(documents_[number]);
        if (!to) return to.error();
        const std::string& text = url.with_credentials();
        const std::string& folder = from->with_credentials();
        if (!text.starts_with(folder))
            return Error{Failure::source, url.shown() + " is not in the store that has mirrors"};
        return net::Url::parse(to->with_credentials() + text.substr(folder.size()));
    }

    std::unique_ptr<net::Fetcher> fetcher_;
    const std::vector<net::Url> documents_;
    Observer& observer_;
    std::size_t first_ = 0;
    std::map<std::string, Resource> resources_;  // a handful for each version
};

}  // namespace

std::unique_ptr<net::Fetcher> make_mirrored_fetcher(std::unique_ptr<net::Fetcher> fetcher,
                                                    std::vector<net::Url> documents, Observer& observer) {
    return std::make_unique<MirroredFetcher>(std::move(fetcher), std::move(documents), observer);
}

}  // namespace regild::store
