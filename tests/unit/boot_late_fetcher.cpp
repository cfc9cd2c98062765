// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/late_fetcher.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::boot {
namespace {

using std::chrono::milliseconds;

// Counts what is asked; what it answers does not matter.
class CountingFetcher final : public net::Fetcher {
  public:
    explicit CountingFetcher(unsigned& asked) : asked_(asked) {}
    Result<std::string> get(const net::Url&, std::size_t) override {
        ++asked_;
        return std::string();
    }
    Result<void> get_ranges(const net::Url&, net::Ranges&) override {
        ++asked_;
        return {};
    }
    net::Totals totals() const override { return {.requests = asked_, .received = {}}; }
    void allow(std::optional<Bytes>) override {}

  private:
    unsigned& asked_;
};

struct Late {
    explicit Late(milliseconds delay)
        : fetcher(make_late_fetcher(
              std::make_unique<CountingFetcher>(asked), delay,
              [this](milliseconds time) -> Result<void> {
                  waits.push_back(time);
                  asked_before_wait = asked;
                  return answer;
              },
              observer)) {}
    Result<void> ranges(const char* url) {
        return fetcher->get_ranges(
            test::url(url), {}, [](std::size_t) { return Result<void>(); }, [](Bytes) {});
    }
    unsigned asked = 0;
    unsigned asked_before_wait = 0;
    std::vector<milliseconds> waits;
    Result<void> answer;
    test::SilentObserver observer;
    std::unique_ptr<net::Fetcher> fetcher;
};

}  // namespace

TEST_CASE("only the first request over a network waits, and that is said") {
    Late late(milliseconds(1500));
    REQUIRE(late.ranges("file:///srv/store/kiosk/1/image.zst").ok());
    REQUIRE(late.waits.empty());
    REQUIRE(late.fetcher->get(test::url("https://h/kiosk/stable.json"), 1).ok());
    REQUIRE(late.waits == std::vector<milliseconds>{milliseconds(1500)});
    REQUIRE(late.asked_before_wait == 1);
    REQUIRE(late.observer.events ==
            std::vector<std::string>{"waiting 2 s before the first request: start_jitter"});
    REQUIRE(late.ranges("http://h/kiosk/1/image.zst").ok());
    REQUIRE(late.waits.size() == 1);
    REQUIRE(late.fetcher->totals().requests == 3);
}

TEST_CASE("without a jitter nothing waits") {
    Late late(milliseconds(0));
    REQUIRE(late.ranges("http://h/kiosk/1/image.zst").ok());
    REQUIRE(late.waits.empty());
    REQUIRE(late.observer.events.empty());
}

TEST_CASE("who is stopped while it waits asks nothing") {
    Late late(milliseconds(1500));
    late.answer = Error{Failure::interrupted, "interrupted"};
    const Result<void> done = late.ranges("http://h/kiosk/1/image.zst");
    REQUIRE_FALSE(done.ok());
    REQUIRE(done.error().kind == Failure::interrupted);
    REQUIRE(late.asked == 0);
}

}  // namespace regild::boot
