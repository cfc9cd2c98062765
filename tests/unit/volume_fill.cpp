// SPDX-License-Identifier: GPL-2.0-or-later
// How the cache is filled: what is asked for at once, and who verifies it.
#include "volume/fill.hpp"

#include <catch2/catch.hpp>
#include <deque>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::FakeFetcher;
using test::GoldenImage;
using test::make_golden_image;
using test::MemoryStorage;

// 12 MiB that do not compress.
const GoldenImage& large_image() {
    static const GoldenImage image =
        make_golden_image(test::block_size_of(65536), MiB(12), [](std::uint64_t) { return false; });
    return image;
}

// Asks for all that it can get, answers the first of it, and so on. Of the ranges of image.zst it remembers
// how many were under way each time that one had arrived and others were yet to come.
class RollingFetcher final : public net::Fetcher {
  public:
    explicit RollingFetcher(const GoldenImage& image) : image_(image), others_(image) {}

    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        return others_.get(url, limit);
    }
    using net::Fetcher::get_ranges;
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (!(url == image_.source().data_url)) return others_.get_ranges(url, ranges);
        std::deque<net::Range> under_way;
        Bytes memory;
        for (;;) {
            while (const std::optional<net::Range> range = ranges.next()) {
                under_way.push_back(*range);
                memory += Bytes(range->into.size());
                asked_until_ = std::max(asked_until_, range->offset + Bytes(range->into.size()));
            }
            most_at_once = std::max(most_at_once, memory);
            if (under_way.empty()) return {};
            if (asked_until_ < Bytes(image_.frames.size()))
                least_under_way = std::min(least_under_way, under_way.size());
            const net::Range range = under_way.front();
            under_way.pop_front();
            memory -= Bytes(range.into.size());
            ++answered;
            std::memcpy(range.into.data(), image_.frames.data() + range.offset.count(), range.into.size());
            if (answered == wrong) {
                range.into[range.into.size() / 2] ^= std::byte{1};
                refused = ranges.verify(range.number);
                before_failure();
                return Error{Failure::network, "the network is gone"};
            }
            if (Result<void> verified = ranges.verify(range.number); !verified) return verified;
            if (Result<void> taken = ranges.arrived(range.number); !taken) return taken;
        }
    }
    net::Totals totals() const override { return others_.totals(); }
    void allow(std::optional<Bytes> most) override { others_.allow(most); }

    std::size_t wrong = SIZE_MAX;  // which answer
    Result<void> refused;          // what verifying it said
    std::function<void()> before_failure = [] {};
    std::size_t answered = 0;
    std::size_t least_under_way = SIZE_MAX;
    Bytes most_at_once;

  private:
    const GoldenImage& image_;
    FakeFetcher others_;
    Bytes asked_until_;
};

struct Fill {
    explicit Fill(Bytes size) : device(size), cache(store::Cache::open(device).value()) {}
    Result<FillReport> run(const GoldenImage& image, net::Fetcher& fetcher) {
        return fill_cache(image.source(), fetcher, cache, observer, stop);
    }
    bool has(const GoldenImage& image, std::uint64_t block) {
        codec::SaltedSha256 hash(image.manifest.salt);
        return cache.has(hash(image.block(block)));
    }
    MemoryStorage device;
    store::Cache cache;
    test::SilentObserver observer;
    const StopFlag stop;
};

}  // namespace

TEST_CASE("a cache is filled without a pause, in bounded memory") {
    Fill fill(MiB(16));
    RollingFetcher fetcher(large_image());
    const Result<FillReport> filled = fill.run(large_image(), fetcher);
    REQUIRE(filled.ok());
    CHECK(filled->whole);
    CHECK(filled->fetched == large_image().manifest.blocks());
    CHECK(fetcher.answered == 48);  // of 256 KiB each
    CHECK(fetcher.least_under_way >= 12);
    CHECK(fetcher.most_at_once <= MiB(4) + KiB(16));
    CHECK(fill.observer.last_done == fill.observer.last_total);
}

TEST_CASE("what fills a cache is verified on the threads that are there for it") {
    Fill fill(MiB(16));
    RollingFetcher fetcher(large_image());
    fetcher.wrong = 7;
    REQUIRE_FALSE(fill.run(large_image(), fetcher).ok());
    REQUIRE_FALSE(fetcher.refused.ok());
    CHECK(fetcher.refused.error().kind == Failure::source);
    // What came before is kept, and nothing else.
    for (std::uint64_t n = 0; n < large_image().manifest.blocks().count(); ++n)
        CHECK(fill.has(large_image(), n) == (n < 6 * 4));
    fetcher.wrong = SIZE_MAX;
    fetcher.answered = 0;
    const Result<FillReport> filled = fill.run(large_image(), fetcher);
    REQUIRE(filled.ok());
    CHECK(filled->whole);
    CHECK(fetcher.answered == 48 - 6);
}

TEST_CASE("a fill that is killed loses no more than what memory holds") {
    Fill fill(MiB(16));
    RollingFetcher fetcher(large_image());
    ByteVector killed;
    fetcher.before_failure = [&] { killed = fill.device.content(); };
    fetcher.wrong = 40;  // behind 39 requests of 256 KiB
    REQUIRE_FALSE(fill.run(large_image(), fetcher).ok());
    MemoryStorage left(killed);
    store::Cache cache = store::Cache::open(left).value();
    codec::SaltedSha256 hash(large_image().manifest.salt);
    std::uint64_t kept = 0;
    for (std::uint64_t n = 0; n < large_image().manifest.blocks().count(); ++n)
        kept += cache.has(hash(large_image().block(n)));
    CHECK(kept >= 39 * 4 - 64);
}

}  // namespace regild::volume
