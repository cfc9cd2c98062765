// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges that are told as their turn comes, and verified on threads of the fetcher.
#include <catch2/catch.hpp>

#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "net/fetcher.hpp"
#include "net_server.hpp"
#include "silent_observer.hpp"
#include "url.hpp"

namespace regild::net {
namespace {

using test::HttpRequest;
using test::HttpServer;
using test::partial_content;

constexpr std::size_t range_size = 100;
const std::string file(128 * range_size, 'x');

// Hands out `count` ranges of the file, each with a number of its own.
class Told : public Ranges {
  public:
    explicit Told(std::size_t count, std::size_t size = range_size)
        : buffer_(count * size), count_(count), size_(size) {}
    std::optional<Range> next() override {
        if (told == count_) return std::nullopt;
        const std::size_t at = told++ * size_;
        return Range{Bytes(at), ByteSpan(buffer_).subspan(at, size_), 1000 + at};
    }
    Result<void> arrived(std::size_t number) override {
        REQUIRE(numbers.insert(number).second);
        return {};
    }
    std::atomic<std::size_t> told = 0;
    std::set<std::size_t> numbers;

  private:
    ByteVector buffer_;
    const std::size_t count_;
    const std::size_t size_;
};

struct Fetching {
    Fetching() : server([](const HttpRequest& request) { return partial_content(file, request); }) {}
    Result<void> operator()(Ranges& ranges) {
        return fetcher->get_ranges(test::url(server.url("/image.zst")), ranges);
    }
    HttpServer server;
    const StopFlag stop;
    std::unique_ptr<Fetcher> fetcher = make_http_fetcher({.patience_seconds = 5}, stop);
};

TEST_CASE("a range is told when its turn comes, which may be when another has arrived") {
    class OneByOne final : public Told {
      public:
        using Told::Told;
        std::optional<Range> next() override {
            if (numbers.size() < told) return std::nullopt;
            return Told::next();
        }
    };
    Fetching fetch;
    OneByOne ranges(20);
    REQUIRE(fetch(ranges).ok());
    CHECK(ranges.numbers.size() == 20);
    CHECK(fetch.server.connections() == 1);
}

// How many of 200 ranges of that size are under way at once at the most. The second answer waits for more
// than `awaited` of them, so long.
std::size_t most_under_way(std::size_t size, std::size_t awaited, std::chrono::milliseconds patience,
                           const test::HttpReply& first = {}) {
    const std::string large(200 * size, 'x');
    Told ranges(200, size);
    std::size_t answered = 0;
    std::size_t most = 0;
    HttpServer server([&](const HttpRequest& request) {
        const auto give_up = std::chrono::steady_clock::now() + patience;
        while (answered == 1 && ranges.told - answered <= awaited &&
               std::chrono::steady_clock::now() < give_up)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        most = std::max(most, ranges.told - answered);
        return answered++ == 0 && !first.bytes.empty() ? first : partial_content(large, request);
    });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 90}, stop);
    REQUIRE(fetcher->get_ranges(test::url(server.url("/image.zst")), ranges).ok());
    REQUIRE(ranges.numbers.size() == 200);
    // That of a request which failed is not used again.
    REQUIRE(server.connections() <= most + (first.bytes.empty() ? 0 : 1));
    return most;
}

TEST_CASE("while no range has come, sixteen are told") {
    Told ranges(64);
    std::optional<std::size_t> told_at_first;
    HttpServer server([&](const HttpRequest& request) {
        if (!told_at_first) told_at_first = ranges.told;
        return partial_content(file, request);
    });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 5}, stop);
    REQUIRE(fetcher->get_ranges(test::url(server.url("/image.zst")), ranges).ok());
    CHECK(ranges.numbers.size() == 64);
    CHECK(told_at_first == 16);
}

TEST_CASE("of small ranges sixty-four are under way at once") {
    CHECK(most_under_way(100, 63, std::chrono::seconds(60)) == 64);
}

TEST_CASE("of large ranges no more than sixteen are under way at once") {
    CHECK(most_under_way(std::size_t(100) << 10, 16, std::chrono::milliseconds(500)) == 16);
}

TEST_CASE("when a request has failed no more than sixteen are under way at once") {
    CHECK(most_under_way(100, 16, std::chrono::milliseconds(500),
                         test::status_only("503 Service Unavailable")) == 16);
}

TEST_CASE("the network goes on while a range is verified") {
    class Slow final : public Told {
      public:
        using Told::Told;
        std::optional<Range> next() override {
            const std::lock_guard lock(mutex_);
            all_told_.notify_all();
            return Told::next();
        }
        // The first waits until the last, which no connection has room for at first, has been told.
        Result<void> verify(std::size_t number) override {
            if (number != 1000) return {};
            std::unique_lock lock(mutex_);
            waited = all_told_.wait_for(lock, std::chrono::seconds(60), [this] { return told == 40; });
            return {};
        }
        bool waited = false;

      private:
        std::mutex mutex_;
        std::condition_variable all_told_;
    };
    Fetching fetch;
    Slow ranges(40);
    REQUIRE(fetch(ranges).ok());
    CHECK(ranges.waited);
    CHECK(ranges.numbers.size() == 40);
}

TEST_CASE("a server is not called slow while what it has sent is verified") {
    class Slow final : public Told {
      public:
        using Told::Told;
        Result<void> verify(std::size_t) override {
            std::this_thread::sleep_for(std::chrono::milliseconds(1500));  // past the patience
            return {};
        }
    };
    test::SilentObserver observer;
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 1, .observer = &observer}, stop);
    Slow ranges(1);
    REQUIRE(fetcher->get_ranges(test::url(server.url("/image.zst")), ranges).ok());
    CHECK(ranges.numbers.size() == 1);
    CHECK(observer.events.empty());
}

TEST_CASE("a range that does not verify has not arrived, and is asked for again") {
    class Wrong final : public Told {
      public:
        using Told::Told;
        Result<void> verify(std::size_t number) override {
            if (number == 1300 && wrong++ < 2) return Error{Failure::source, "wrong bytes"};
            return {};
        }
        std::atomic<unsigned> wrong = 0;
    };
    Fetching fetch;
    Wrong ranges(20);
    REQUIRE(fetch(ranges).ok());
    CHECK(ranges.numbers.size() == 20);
    CHECK(fetch.fetcher->totals().requests == 22);
}

TEST_CASE("a range is wrong as often as its asker wants, and no more often") {
    class Wrong final : public Told {
      public:
        using Told::Told;
        Result<void> verify(std::size_t) override { return Error{Failure::source, "wrong bytes"}; }
        unsigned most_wrong() const override { return most; }
        unsigned most = GENERATE(1U, 3U);
    };
    Fetching fetch;
    Wrong ranges(1);
    const Result<void> fetched = fetch(ranges);
    REQUIRE_FALSE(fetched.ok());
    CHECK(fetched.error().kind == Failure::source);
    CHECK(fetch.fetcher->totals().requests == ranges.most);
}

TEST_CASE("when a fetch fails, what was verified has arrived all the same") {
    // The first one fails when all others have been told; these are verified afterwards.
    class Failing final : public Told {
      public:
        using Told::Told;
        std::optional<Range> next() override {
            const std::lock_guard lock(mutex_);
            if (told == 1 && !begun_) return std::nullopt;
            changed_.notify_all();
            return Told::next();
        }
        Result<void> verify(std::size_t number) override {
            std::unique_lock lock(mutex_);
            begun_ = begun_ || number == 1000;
            const bool in_time = changed_.wait_for(lock, std::chrono::seconds(60),
                                                   [&] { return number == 1000 ? told == 100 : failed_; });
            if (!in_time) return Error{Failure::failed, "waited in vain"};
            verified += number == 1000 ? 0 : 1;
            return {};
        }
        Result<void> arrived(std::size_t number) override {
            if (number != 1000) return Told::arrived(number);
            const std::lock_guard lock(mutex_);
            failed_ = true;
            changed_.notify_all();
            return Error{Failure::disk, "the disk is gone"};
        }
        std::size_t verified = 0;

      private:
        std::mutex mutex_;
        std::condition_variable changed_;
        bool begun_ = false;
        bool failed_ = false;
    };
    Fetching fetch;
    Failing ranges(100);
    const Result<void> failed = fetch(ranges);
    REQUIRE_FALSE(failed.ok());
    CHECK(failed.error().message == "the disk is gone");
    CHECK(ranges.verified >= 35);  // all but the first and the sixty-four that had not been brought yet
    CHECK(ranges.numbers.size() == ranges.verified);
}

}  // namespace
}  // namespace regild::net
