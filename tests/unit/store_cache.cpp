// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/cache.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "codec/sha256.hpp"
#include "memory_storage.hpp"

namespace regild::store {
namespace {

using test::MemoryStorage;
using test::Operation;

// Chunk `n`: its length and content are its own.
ByteVector chunk(unsigned n, std::size_t length = 3000) {
    std::mt19937 random(n);  // NOLINT: the same in every run
    ByteVector bytes(length + n % 100);
    for (std::byte& byte : bytes)
        byte = static_cast<std::byte>(random());
    return bytes;
}

Digest digest(unsigned n) {
    const std::array<std::byte, 4> number{static_cast<std::byte>(n), static_cast<std::byte>(n >> 8), {}, {}};
    return codec::SaltedSha256({})(number);
}

// These and those between, but the last.
void put(Cache& cache, unsigned first, unsigned end) {
    for (unsigned n = first; n < end; ++n)
        cache.put(digest(n), chunk(n));
}

bool holds(Cache& cache, unsigned n) {
    const std::optional<ByteVector> found = cache.get(digest(n), MiB(1));
    return found && *found == chunk(n);
}

TEST_CASE("what was put is found, at once and by who opens the cache later") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    put(cache, 0, 700);  // 2 MiB: some is written, some waits in memory
    CHECK(holds(cache, 0));
    CHECK(holds(cache, 699));
    CHECK_FALSE(cache.has(digest(700)));
    cache.finish();
    CHECK_FALSE(cache.error());

    Cache later = Cache::open(device).value();
    for (unsigned n = 0; n < 700; ++n)
        REQUIRE(holds(later, n));
    CHECK(later.content().chunks == 700);
    later.put(digest(700), chunk(700));
    CHECK(holds(later, 699));
    CHECK(holds(later, 700));
}

TEST_CASE("the oldest make room, and what is still wanted stays") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    const unsigned many = 4000;  // three times what there is room for
    for (unsigned n = 0; n < many; ++n) {
        cache.put(digest(n), chunk(n));
        if (n % 100 == 0) {
            // As a restore does that wants the first 20 each time.
            for (unsigned wanted = 0; wanted < std::min(n, 20u); ++wanted) {
                REQUIRE(holds(cache, wanted));
                cache.put(digest(wanted), chunk(wanted));
            }
            cache.renew();
        }
    }
    unsigned newest = 0;
    while (newest < many && holds(cache, many - 1 - newest))
        ++newest;
    CHECK(newest > 1000);
    CHECK_FALSE(holds(cache, 100));
    for (unsigned n = 0; n < 20; ++n)
        CHECK(holds(cache, n));
}

TEST_CASE("what is wanted stays however much else is put by who wants it") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    put(cache, 0, 100);
    cache.renew();  // who put them is done
    put(cache, 0, 50);
    const Bytes once = cache.renewable();
    cache.put(digest(7), chunk(7));
    CHECK(cache.renewable() == once);
    for (unsigned n = 100; n < 4000; ++n) {
        cache.put(digest(n), chunk(n));
        cache.renew_in_time();
    }
    CHECK_FALSE(cache.has(digest(50)));
    for (unsigned n = 0; n < 50; ++n)
        REQUIRE(holds(cache, n));
    // Just so much as there is room for beside them.
    cache.renew_all();
    CHECK(cache.renewable().count() > 50 * 3000);
    // Who tries again writes nothing again, and wants no more than before.
    const Bytes renewed = cache.all_written();
    const Bytes wanted = cache.renewable();
    cache.put(digest(0), chunk(0));
    cache.renew_all();
    CHECK(cache.all_written() == renewed);
    CHECK(cache.renewable() == wanted);
    const Bytes until = cache.all_written() + cache.geometry().ring_length() - cache.renewable() - KiB(128);
    for (unsigned n = 4000; cache.all_written() < until; ++n)
        cache.put(digest(n), chunk(n));
    cache.renew();
    for (unsigned n = 0; n < 50; ++n)
        REQUIRE(holds(cache, n));
}

TEST_CASE("what was written over is known as gone without being read") {
    MemoryStorage device(MiB(2));
    for (unsigned round = 0; round < 20; ++round) {  // more laps than an entry can tell apart
        Cache cache = Cache::open(device).value();
        for (unsigned n = 0; n < 500; ++n)
            cache.put(digest(1000 * round + n), chunk(1000 * round + n));
        cache.finish();
        Cache later = Cache::open(device).value();
        Bytes length;
        unsigned promised = 0;
        for (unsigned old = 0; old <= round; ++old)
            for (unsigned n = 0; n < 500; ++n) {
                if (!later.has(digest(1000 * old + n))) continue;
                REQUIRE(holds(later, 1000 * old + n));
                length += Bytes(chunk(1000 * old + n).size());
                ++promised;
            }
        CHECK(later.content().chunks == promised);
        CHECK(later.content().length == length);
        CHECK(length <= later.geometry().ring_length());
        if (round > 0) CHECK(promised > 550);
    }
}

TEST_CASE("a chunk that is there is not written again") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), chunk(1));
    cache.finish();
    device.start_trace();
    Cache again = Cache::open(device).value();
    again.put(digest(1), chunk(1));
    again.finish();
    for (const Operation& operation : device.trace())
        CHECK(operation.kind == Operation::Kind::read);
}

TEST_CASE("what turned out to be wrong is forgotten, and can be put again") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), chunk(2));
    cache.finish();
    cache.forget(digest(1));
    CHECK_FALSE(cache.has(digest(1)));
    cache.finish();
    Cache later = Cache::open(device).value();
    CHECK_FALSE(later.has(digest(1)));
    later.put(digest(1), chunk(1));
    CHECK(holds(later, 1));
}

TEST_CASE("no more is read than was asked for") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), chunk(1));
    CHECK(cache.get(digest(1), Bytes(chunk(1).size())));
    CHECK_FALSE(cache.get(digest(1), Bytes(chunk(1).size() - 1)));
}

TEST_CASE("whatever is on the device, a cache opens, and takes and gives") {
    std::mt19937 random(7);  // NOLINT: the same in every run
    MemoryStorage golden(MiB(2));
    {
        Cache cache = Cache::open(golden).value();
        put(cache, 0, 300);
        cache.finish();
    }
    for (unsigned round = 0; round < 50; ++round) {
        ByteVector content = golden.content();
        for (unsigned damage = 0; damage < 40; ++damage)
            content[random() % (damage < 20 ? 20480 : content.size())] = static_cast<std::byte>(random());
        MemoryStorage device(content);
        Cache cache = Cache::open(device).value();
        for (unsigned n = 0; n < 300; ++n) {
            if (holds(cache, n)) continue;
            cache.forget(digest(n));
            cache.put(digest(n), chunk(n));
            REQUIRE(holds(cache, n));
        }
        cache.finish();
        CHECK_FALSE(cache.error());
    }
}

TEST_CASE("a torn write of the table costs nothing that was durable before") {
    std::mt19937 random(7);  // NOLINT: the same in every run
    MemoryStorage device(MiB(2));
    Cache cache = Cache::open(device).value();
    put(cache, 0, 200);
    for (unsigned n = 0; n < 20; ++n)
        cache.forget(digest(n));
    cache.flush();
    const ByteVector before = device.content();
    for (unsigned n = 20; n < 40; ++n)
        cache.forget(digest(n));
    put(cache, 200, 300);
    cache.finish();
    const ByteVector after = device.content();
    for (unsigned round = 0; round < 20; ++round) {
        ByteVector content = before;
        for (std::size_t at = 0; at < content.size(); at += 512)
            if (random() % 2 == 0) std::copy_n(after.begin() + at, 512, content.begin() + at);
        MemoryStorage torn(content);
        Cache later = Cache::open(torn).value();
        for (unsigned n = 40; n < 200; ++n)
            REQUIRE(holds(later, n));
    }
}

TEST_CASE("what cannot be read is not there, and can be put again") {
    MemoryStorage device(MiB(4));
    {
        Cache cache = Cache::open(device).value();
        cache.put(digest(1), chunk(1, 8000));
        cache.put(digest(2), chunk(2));
        cache.finish();
    }
    Cache cache = Cache::open(device).value();
    CHECK_FALSE(cache.is_new());
    device.make_unreadable(cache.geometry().ring_offset(), Bytes(512));
    CHECK_FALSE(cache.read_error());
    CHECK_FALSE(cache.get(digest(1), MiB(1)));
    CHECK_FALSE(cache.has(digest(1)));
    CHECK(holds(cache, 2));
    CHECK_FALSE(cache.error());
    CHECK(cache.read_error());
    cache.put(digest(1), chunk(1));
    cache.finish();
    Cache later = Cache::open(device).value();
    CHECK(holds(later, 1));
}

TEST_CASE("after a write that failed the cache is empty and takes nothing") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), chunk(1));
    device.fail_only(Operation::Kind::write);
    device.fail_at(1, true);
    cache.finish();
    REQUIRE(cache.error());
    CHECK(cache.error()->kind == Failure::disk);
    CHECK_FALSE(cache.has(digest(1)));
    device.start_trace();
    cache.put(digest(2), chunk(2));
    cache.finish();
    CHECK(device.trace().empty());
}

TEST_CASE("a chunk that is longer than anybody wants makes room for the right one") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), ByteVector(100000));
    CHECK_FALSE(cache.get(digest(1), Bytes(4096)));
    cache.put(digest(1), chunk(1));
    CHECK(holds(cache, 1));
}

TEST_CASE("a cache of another size begins anew") {
    MemoryStorage small(MiB(2));
    {
        Cache cache = Cache::open(small).value();
        put(cache, 0, 100);
        cache.finish();
    }
    ByteVector content = small.content();
    content.resize(4 << 20);
    MemoryStorage larger(content);
    Cache cache = Cache::open(larger).value();
    CHECK(cache.content().chunks == 0);
    cache.put(digest(1), chunk(1));
    CHECK(holds(cache, 1));
}

TEST_CASE("drop leaves nothing") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    cache.put(digest(1), chunk(1));
    cache.drop();
    CHECK_FALSE(cache.has(digest(1)));
    Cache later = Cache::open(device).value();
    CHECK(later.content().chunks == 0);
}

TEST_CASE("who looks at a cache sees what is finished, and writes nothing") {
    MemoryStorage device(MiB(4));
    Cache cache = Cache::open(device).value();
    put(cache, 0, 400);
    cache.finish();
    cache.put(digest(400), chunk(400));
    device.start_trace();
    Cache looking = Cache::look(device).value();
    CHECK(looking.content().chunks == 400);
    for (unsigned n = 0; n < 400; ++n)
        REQUIRE(holds(looking, n));
    CHECK_FALSE(looking.has(digest(400)));
    // Also where it finds something wrong, or is given more than memory holds.
    looking.forget(digest(7));
    CHECK_FALSE(looking.has(digest(7)));
    for (unsigned n = 1000; n < 2000; ++n)
        looking.put(digest(n), chunk(n));
    CHECK_FALSE(looking.has(digest(1000)));
    looking.finish();
    CHECK_FALSE(looking.error());
    CHECK(std::ranges::all_of(
        device.trace(), [](const Operation& operation) { return operation.kind == Operation::Kind::read; }));
}

TEST_CASE("who looks where no cache is yet sees an empty one, and makes none") {
    for (const std::byte fill : {std::byte{0}, std::byte{'x'}}) {
        const ByteVector before((MiB(4)).count(), fill);
        MemoryStorage device(before);
        Cache looking = Cache::look(device).value();
        CHECK(looking.content().chunks == 0);
        CHECK_FALSE(looking.has(digest(1)));
        looking.finish();
        CHECK(device.content() == before);
    }
    MemoryStorage small(KiB(512));
    CHECK_FALSE(Cache::look(small).ok());
}

TEST_CASE("a device that is too small is refused") {
    MemoryStorage device(KiB(512));
    const Result<Cache> cache = Cache::open(device);
    REQUIRE_FALSE(cache.ok());
    CHECK(cache.error().kind == Failure::refused);
}

}  // namespace
}  // namespace regild::store
