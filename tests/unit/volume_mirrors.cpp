// SPDX-License-Identifier: GPL-2.0-or-later
// An index is not verified: what one mirror has wrong of it is found out by the blocks that it leads to.
#include <catch2/catch.hpp>

#include "store/mirrors.hpp"
#include "volume/fill.hpp"
#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

using test::FakeFetcher;
using test::GoldenImage;
using test::MemoryStorage;

// Of three mirrors one is down, and the first, which has the image as well, says of blocks of the session
// where others are.
struct WrongIndex {
    explicit WrongIndex(GoldenImage of = test::image_of_300_blocks(), std::uint64_t wrong_block = 200)
        : image(std::move(of)) {
        auto fetcher = std::make_unique<FakeFetcher>(image);
        fake = fetcher.get();
        fake->down = "http://dead/";
        fake->files["http://mirror/1/image.zst"] = image.frames;
        fake->files["http://mirror/1/image.verity"] = image.tree_file;
        fake->files["http://mirror/1/image.index"] = image.index_file;
        ByteVector& index = fake->files["http://store/1/image.index"];
        index[wrong_block / 32 * 104] ^= std::byte{1};
        mirrored = store::make_mirrored_fetcher(
            std::move(fetcher),
            {test::url("http://store/stable.json"), test::url("http://dead/stable.json"),
             test::url("http://mirror/stable.json")},
            observer);
    }
    std::size_t requests_for(const std::string& at) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(fake->requests, [&](const auto& request) { return request.url == at; }));
    }

    GoldenImage image;
    store::Source source = image.source();
    test::SilentObserver observer;
    StopFlag stop;
    FakeFetcher* fake = nullptr;
    std::unique_ptr<net::Fetcher> mirrored;
};

}  // namespace

TEST_CASE("where one mirror says wrongly where frames are, the next one is asked") {
    WrongIndex at;
    const auto volume = test::make_session_volume(at.image, test::usual_session);
    Restore restore({volume->log(), volume->data}, at.source, *at.mirrored, at.observer, at.stop);
    REQUIRE(restore.attempt().ok());
    CHECK(test::is_golden(volume->data.content(), at.image));
    CHECK(volume->bitmap().marked() == Blocks(0));
    CHECK(at.observer.lines.find("block 200 does not match") != std::string::npos);
    CHECK(at.observer.lines.find("asking the next mirror where the frames are") != std::string::npos);
    const std::size_t asked = at.requests_for("http://store/1/image.index");
    CHECK(asked > 0);

    // It is not asked again.
    const auto other = test::make_session_volume(at.image, test::usual_session);
    Restore again({other->log(), other->data}, at.source, *at.mirrored, at.observer, at.stop);
    REQUIRE(again.attempt().ok());
    CHECK(at.requests_for("http://store/1/image.index") == asked);
}

TEST_CASE("a cache is filled in spite of a mirror that says wrongly where frames are") {
    WrongIndex at;
    MemoryStorage device(MiB(8));
    store::Cache cache = store::Cache::open(device).value();
    const Result<FillReport> filled = fill_cache(at.source, *at.mirrored, cache, at.observer, at.stop);
    REQUIRE(filled.ok());
    CHECK(filled->whole);
}

TEST_CASE("a wrong index is found out when the cache is filled before the first write") {
    WrongIndex at(
        test::make_golden_image(test::block_size_of(65536), MiB(44), [](std::uint64_t) { return false; }),
        600);
    MemoryStorage device(MiB(6));  // without room for all that the wrong page tells of
    store::Cache cache = store::Cache::open(device).value();
    const auto volume = test::make_session_volume(at.image, std::vector{test::blocks(0, 704)});
    Restore restore({volume->log(), volume->data}, at.source, *at.mirrored, at.observer, at.stop,
                    {.cache = &cache});
    REQUIRE(restore.attempt().ok());
    CHECK(test::is_golden(volume->data.content(), at.image));
}

TEST_CASE("where all mirrors have the same wrong image each index is asked for once more at the most") {
    WrongIndex at;
    ByteVector wrong = at.image.frames;
    for (std::byte& byte : wrong)
        byte ^= std::byte{1};
    at.fake->files["http://store/1/image.zst"] = at.fake->files["http://mirror/1/image.zst"] = wrong;
    const auto volume = test::make_session_volume(at.image, test::usual_session);
    Restore restore({volume->log(), volume->data}, at.source, *at.mirrored, at.observer, at.stop);
    const Result<void> done = restore.attempt();
    REQUIRE_FALSE(done.ok());
    CHECK(done.error().kind == Failure::network);  // one of them may yet answer
    CHECK(volume->journal.entries.empty());
    CHECK(at.requests_for("http://store/1/image.zst") <= 3);
}

}  // namespace regild::volume
