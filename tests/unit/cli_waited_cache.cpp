// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/waited_cache.hpp"

#include <catch2/catch.hpp>

#include "files.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::cli {
namespace {

// A file that is a cache or may become one, which somebody may have.
struct CacheFile {
    explicit CacheFile(char content = '\0') {
        test::write_file(path, std::string(std::size_t{1} << 20, content));
    }
    std::unique_ptr<block::Device> taken() const {
        return block::Device::open(path, block::Access::exclusive).value();
    }

    test::TemporaryDirectory directory;
    std::string path = directory / "cache";
    test::SilentObserver observer;
    unsigned waits = 0;
};

}  // namespace

TEST_CASE("a cache that another process has is waited for, which is said once") {
    CacheFile file;
    std::unique_ptr<block::Device> other = file.taken();
    const Result<volume::OpenCache> opened =
        wait_for_cache(file.path, file.observer, [&](std::chrono::milliseconds) -> Result<void> {
            if (++file.waits == 5) other.reset();
            return {};
        });
    REQUIRE(opened.ok());
    CHECK(file.waits == 5);
    CHECK(file.observer.events ==
          std::vector<std::string>{"waiting for the cache, which another regild process uses"});
    CHECK(block::Device::open(file.path, block::Access::exclusive).error().kind == Failure::busy);
}

TEST_CASE("who waits for a cache can be stopped") {
    CacheFile file;
    std::unique_ptr<block::Device> other = file.taken();
    StopFlag stop;
    const boot::Wait patient = boot::patient_wait(stop);
    const Result<volume::OpenCache> opened =
        wait_for_cache(file.path, file.observer, [&](std::chrono::milliseconds time) {
            if (++file.waits == 2) stop.request();
            if (file.waits == 3) other.reset();
            return patient(time);
        });
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().kind == Failure::interrupted);
    CHECK(file.waits == 2);
}

TEST_CASE("a cache that nobody has is not waited for, and what is none is refused") {
    CacheFile file;
    const auto wait = [&](std::chrono::milliseconds) -> Result<void> {
        ++file.waits;
        return {};
    };
    CHECK(wait_for_cache(file.path, file.observer, wait).ok());
    CHECK(wait_for_cache(file.path + ".gone", file.observer, wait).error().kind == Failure::disk);
    CHECK(file.waits == 0);
    const CacheFile other('x');
    CHECK(wait_for_cache(other.path, file.observer, wait).error().kind == Failure::refused);
    CHECK(file.waits == 1);  // what is mounted looks like what another process is just giving back
    CHECK(file.observer.events.empty());
}

TEST_CASE("who looks at a cache needs not wait for it") {
    CacheFile file;
    const std::unique_ptr<block::Device> other = file.taken();
    const Result<volume::OpenCache> looking = volume::look_at_cache(file.path);
    REQUIRE(looking.ok());
    CHECK(looking->cache->content().chunks == 0);
}

}  // namespace regild::cli
