// SPDX-License-Identifier: GPL-2.0-or-later
// A new version marks what differs from the one before, and a restore does the rest.
#include "volume/update.hpp"

#include <catch2/catch.hpp>

#include "power_cut.hpp"
#include "store/tree_difference.hpp"
#include "volume/layout.hpp"

namespace regild::volume {
namespace {

using format::VolumeState;
using test::blocks;
using test::FakeFetcher;
using test::GoldenImage;
using test::TestVolume;

constexpr std::size_t block_bytes = 4096;
const std::vector<BlockRange> session{blocks(2, 3), blocks(22, 1)};

struct Versions {
    explicit Versions(GoldenImage image, std::vector<std::uint64_t> changed)
        : one(std::move(image)), two(one), differing(std::move(changed)) {
        two.manifest.version = one.manifest.version + 1;
        for (const std::uint64_t block : differing)
            two.padded[block * block_bytes] ^= std::byte{0x40};
        two.make_tree();
        two.make_frames();
        for (const auto& [image_, source_] : {std::pair(&one, installed()), std::pair(&two, next())}) {
            fetcher.files[source_.data_url.with_credentials()] = image_->frames;
            fetcher.files[source_.index_url.with_credentials()] = image_->index_file;
            fetcher.files[source_.tree_url.with_credentials()] = image_->tree_file;
        }
    }
    store::Source installed() const { return one.source(); }
    store::Source next() const {
        store::Source source = two.source();
        source.data_url = test::url("http://store/2/image.zst");
        source.index_url = test::url("http://store/2/image.index");
        source.tree_url = test::url("http://store/2/image.verity");
        return source;
    }
    Result<Update> update(TestVolume& volume, std::uint32_t trial_boots = 0) {
        return volume::update(volume.log(), installed(), next(), trial_boots, {fetcher, nullptr, observer});
    }
    Result<Update> go_back(TestVolume& volume) {
        return volume::go_back(volume.log(), next(), installed(), {fetcher, nullptr, observer});
    }
    // To what the record says.
    Result<void> restore(TestVolume& volume) {
        const bool is_old = volume.log().record()->image_version == one.manifest.version;
        const store::Source source = is_old ? installed() : next();
        const StopFlag stop;
        Restore restore({volume.log(), volume.data}, source, fetcher, observer, stop);
        return restore.attempt();
    }

    GoldenImage one;
    GoldenImage two;
    std::vector<std::uint64_t> differing;
    FakeFetcher fetcher;
    test::SilentObserver observer;
};

// Of which all can be looked at.
Versions small_versions() {
    return Versions(test::make_golden_image(test::block_size_of(block_bytes), Bytes(23 * block_bytes + 512),
                                            [](std::uint64_t n) { return n >= 8 && n < 12; }),
                    {0, 4, 9, 10, 23});
}

BlockSet set_of(const GoldenImage& image, const std::vector<std::uint64_t>& members) {
    BlockSet set(image.manifest.blocks());
    for (const std::uint64_t block : members)
        set.insert(blocks(block, 1));
    return set;
}

}  // namespace

TEST_CASE("an update marks exactly the blocks that differ") {
    Versions versions(test::image_of_300_blocks(), {0, 21, 22, 200, 299});
    const auto volume = test::make_session_volume(versions.one, {});
    const Result<Update> update = versions.update(*volume);
    REQUIRE(update.ok());
    CHECK(update->marked == Blocks(5));
    CHECK_FALSE(update->all_unknown);
    CHECK(test::marks_of(volume->log()) == set_of(versions.one, versions.differing));
    const format::ImageRecord& record = *volume->log().record();
    CHECK(record.image_version == versions.two.manifest.version);
    CHECK(record.version_floor < versions.two.manifest.version);
    CHECK(record.manifest == format::serialize_manifest(versions.two.manifest));
    CHECK(record.state == VolumeState::golden);
    REQUIRE(versions.restore(*volume).ok());
    CHECK(test::is_golden(volume->data.content(), versions.two));
    CHECK(volume->bitmap().marked() == Blocks(0));
    CHECK(volume->log().record()->version_floor == versions.two.manifest.version);
    CHECK_FALSE(volume->log().record()->before);
}

TEST_CASE("an untouched version is gone back from without a request, and what is right is not fetched") {
    Versions versions(test::image_of_300_blocks(), {0, 21, 200});
    const auto volume = test::make_session_volume(versions.one, session);
    REQUIRE(versions.update(*volume, GENERATE(0, 3)).ok());
    versions.fetcher.requests.clear();
    REQUIRE(versions.go_back(*volume).ok());
    CHECK(versions.fetcher.requests.empty());
    CHECK(volume->log().record()->rejected_version == 0);
    REQUIRE(versions.restore(*volume).ok());
    CHECK(test::is_golden(volume->data.content(), versions.one));
    Bytes data;
    for (const FakeFetcher::Request& request : versions.fetcher.requests)
        if (request.url == versions.installed().data_url.with_credentials()) data += request.length;
    Bytes of_the_session;
    for (const BlockRange& range : session)
        for (BlockIndex block = range.first; block < range.end(); block = block + Blocks(1))
            if (block < BlockIndex(20)) of_the_session += versions.one.frame(block.value()).length;
    CHECK(data == of_the_session);
}

TEST_CASE("a mark that was cleared as right for the new version ends the cheap way back") {
    // A session wrote what is golden in the next version, of which nothing is known where the old tree is
    // gone.
    Versions versions(test::image_of_300_blocks(), {22, 200});
    const std::vector<BlockRange> marked{blocks(22, 1)};
    const auto volume = test::make_session_volume(versions.one, marked);
    const ConstByteSpan two = versions.two.block(22);
    REQUIRE(volume->data.write(Bytes(22 * block_bytes), two).ok());
    versions.fetcher.files.erase(versions.installed().tree_url.with_credentials());
    REQUIRE(versions.update(*volume, 3)->all_unknown);
    versions.fetcher.files.erase(versions.next().data_url.with_credentials());
    REQUIRE_FALSE(versions.restore(*volume).ok());
    REQUIRE_FALSE(test::marks_of(volume->log()).test(BlockIndex(22)));
    CHECK_FALSE(volume->log().record()->untouched);
}

TEST_CASE("a version without a difference is on trial as well") {
    Versions versions(test::image_of_300_blocks(), {});
    const auto volume = test::make_session_volume(versions.one, {});
    REQUIRE(versions.update(*volume, 3).ok());
    CHECK(volume->log().record()->before);
    CHECK_FALSE(volume->log().record()->untouched);
}

TEST_CASE("of two trees only what differs is read") {
    // 3 hash blocks of the lowest level; block 200 is below the second.
    Versions versions(test::make_golden_image(test::block_size_of(block_bytes), Bytes(1400 * block_bytes),
                                              [](std::uint64_t) { return false; }),
                      {200, 1399});
    std::vector<BlockRange> found;
    const auto collect = [&](std::span<const BlockRange> ranges) -> Result<void> {
        found.insert(found.end(), ranges.begin(), ranges.end());
        return {};
    };
    REQUIRE(
        store::for_each_difference(versions.installed(), versions.next(), versions.fetcher, nullptr, collect)
            .ok());
    CHECK(found == std::vector<BlockRange>{blocks(200, 1), blocks(1399, 1)});
    Bytes read;
    for (const FakeFetcher::Request& request : versions.fetcher.requests)
        read += request.length;
    CHECK(read == Bytes(2 * 3 * 4096));  // of each tree the top and two of eleven below it

    versions.fetcher.requests.clear();
    found.clear();
    REQUIRE(store::for_each_difference(versions.one.source(), versions.one.source(), versions.fetcher,
                                       nullptr, collect)
                .ok());
    CHECK(found.empty());
    CHECK(versions.fetcher.requests.empty());
}

TEST_CASE("where the old tree is gone everything is unknown, and what is right already is not fetched") {
    Versions versions(test::image_of_300_blocks(), {200});
    versions.fetcher.files.erase(versions.installed().tree_url.with_credentials());
    const auto volume = test::make_session_volume(versions.one, {});
    const Result<Update> update = versions.update(*volume);
    REQUIRE(update.ok());
    CHECK(update->all_unknown);
    CHECK(volume->bitmap().marked() == Blocks(300));
    versions.fetcher.requests.clear();
    REQUIRE(versions.restore(*volume).ok());
    CHECK(test::is_golden(volume->data.content(), versions.two));
    Bytes data;
    for (const FakeFetcher::Request& request : versions.fetcher.requests)
        if (request.url == versions.next().data_url.with_credentials()) data += request.length;
    CHECK(data == versions.two.frame(200).length);
}

TEST_CASE("a version whose own tree cannot be had is not installed") {
    Versions versions(test::image_of_300_blocks(), {200});
    SECTION("though the old one can be compared") {}
    SECTION("nor where the old tree is gone as well") {
        versions.fetcher.files.erase(versions.installed().tree_url.with_credentials());
    }
    SECTION("nor where the two cannot be compared") {
        versions.two.manifest.salt.push_back(std::byte{1});
    }
    versions.fetcher.files.erase(versions.next().tree_url.with_credentials());
    const auto volume = test::make_session_volume(versions.one, {});
    const Result<Update> update = versions.update(*volume);
    REQUIRE_FALSE(update.ok());
    CHECK(update.error().kind == Failure::source);
    CHECK(volume->journal.entries.empty());
}

TEST_CASE("a network that dies while trees are compared leaves marks and record as they were") {
    Versions versions(test::image_of_300_blocks(), {0, 200});
    const auto volume = test::make_session_volume(versions.one, session);
    versions.fetcher.fail_in = GENERATE(0, 1, 2, 3);
    const Result<Update> update = versions.update(*volume);
    REQUIRE_FALSE(update.ok());
    CHECK(update.error().kind == Failure::network);
    CHECK(volume->journal.entries.empty());
}

TEST_CASE(
    "a power cut at any operation of an update leaves the old version or the new one, and the marks it "
    "needs") {
    Versions versions = small_versions();
    const auto volume = test::make_session_volume(versions.one, session);
    const ByteVector before = volume->data.content();
    const auto run = [&] {
        REQUIRE(versions.update(*volume).ok());
        REQUIRE(versions.restore(*volume).ok());
    };
    test::for_each_power_cut(*volume, run, [&](const ByteVector& disk, const ByteVector& log) {
        TestVolume left(disk, log);
        REQUIRE(left.log_store);
        REQUIRE(left.log().record());
        const bool is_old = left.log().record()->image_version == versions.one.manifest.version;
        const GoldenImage& image = is_old ? versions.one : versions.two;
        const BlockSet marks = test::marks_of(left.log());
        const ConstByteSpan golden = image.unpadded();
        for (std::uint64_t n = 0; n < image.manifest.blocks().count(); ++n) {
            const std::size_t begin = n * block_bytes;
            const std::size_t length = std::min(block_bytes, golden.size() - begin);
            if (!marks.test(BlockIndex(n)) &&
                std::memcmp(disk.data() + begin, golden.data() + begin, length) != 0)
                FAIL("block " << n << " is not of version " << image.manifest.version
                              << " and is not marked");
        }
        if (left.log().record()->state == VolumeState::golden)
            REQUIRE((disk == before || test::is_golden(disk, versions.two)));
        REQUIRE(versions.restore(left).ok());
        REQUIRE(test::is_golden(left.data.content(), image));
        if (is_old) REQUIRE(versions.update(left).ok());
        REQUIRE(versions.restore(left).ok());
        REQUIRE(test::is_golden(left.data.content(), versions.two));
    });
}

TEST_CASE("a power cut at any operation of the way back leaves a version and the marks that it needs") {
    Versions versions = small_versions();
    const bool started = GENERATE(true, false);
    const auto volume = test::make_session_volume(versions.one, session);
    REQUIRE(versions.update(*volume, 1).ok());
    if (started) {
        REQUIRE(versions.restore(*volume).ok());
        const std::vector<BlockRange> written{blocks(1, 2), blocks(9, 1)};
        REQUIRE(volume->bitmap().mark(written).ok());
        for (const BlockRange& range : written)
            REQUIRE(volume->data
                        .write(Bytes(range.first.value() * block_bytes),
                               ByteVector(range.count.count() * block_bytes, std::byte{'!'}))
                        .ok());
        REQUIRE(volume->data.flush().ok());
    }
    const auto run = [&] {
        REQUIRE(versions.go_back(*volume).ok());
        REQUIRE(versions.restore(*volume).ok());
    };
    test::for_each_power_cut(*volume, run, [&](const ByteVector& disk, const ByteVector& log) {
        TestVolume left(disk, log);
        REQUIRE(left.log_store);
        REQUIRE(left.log().record());
        const bool is_old = left.log().record()->image_version == versions.one.manifest.version;
        CHECK(bool(left.log().record()->before) != is_old);
        if (!is_old) REQUIRE(versions.go_back(left).ok());
        REQUIRE(versions.restore(left).ok());
        REQUIRE(test::is_golden(left.data.content(), versions.one));
        CHECK(left.log().record()->rejected_version == (started ? versions.two.manifest.version : 0));
    });
}

TEST_CASE("a version that was rejected is not offered again, unless it is asked for again") {
    Versions versions(test::image_of_300_blocks(), {1});
    const auto volume = test::make_session_volume(versions.one, {});
    format::ImageRecord record = *volume->log().record();
    record.rejected_version = versions.two.manifest.version;
    REQUIRE(volume->log().write_record(record).ok());
    const std::string image = versions.one.manifest.image;
    const std::string folder = "http://h/" + image + "/";
    const std::string number = std::to_string(versions.two.manifest.version);
    const auto put = [&](const std::string& url, const std::string& text) {
        const ConstByteSpan bytes = as_bytes(text);
        versions.fetcher.files[url] = ByteVector(bytes.begin(), bytes.end());
    };
    put(folder + number + "/manifest.json", format::serialize_manifest(versions.two.manifest));
    put(folder + "stable.json",
        format::serialize_channel({image, versions.two.manifest.version, "stable", 1}));
    const std::string name = GENERATE(as<std::string>{}, "stable.json", "manifest");
    const net::Url url = test::url(name == "manifest" ? folder + number + "/manifest.json" : folder + name);
    const auto offered =
        newer_version(volume->log(), versions.fetcher, url, {store::Trust(), {}}, versions.observer);
    REQUIRE(offered.ok());
    CHECK_FALSE(offered->has_value());
    CHECK(newer_version(volume->log(), versions.fetcher, url, {store::Trust(), {}, true}, versions.observer)
              ->has_value());
}

TEST_CASE("what is offered is told apart") {
    Versions versions(test::image_of_300_blocks(), {1});
    const auto volume = test::make_session_volume(versions.one, {});
    const std::string image = versions.one.manifest.image;
    const codec::PrivateKey key = codec::PrivateKey::generate();
    store::Trust trust(codec::PublicKeys::parse(key.public_pem()).value());
    const auto put = [&](const std::string& path, const std::string& text) {
        for (const auto& [name, content] :
             {std::pair(path, text), std::pair(path + ".sig", key.sign(text))}) {
            const ConstByteSpan bytes = as_bytes(content);
            versions.fetcher.files["http://h/" + name] = ByteVector(bytes.begin(), bytes.end());
        }
    };
    std::vector<std::string> tags;
    bool by_hand = false;
    const auto known = [&] {
        const format::ImageRecord& record = *volume->log().record();
        return store::KnownChannels(record.channels, record.image, trust);
    };
    format::Channel channel{image, 0, "stable", 0};
    const auto offer = [&](format::Manifest manifest, std::uint64_t serial) {
        channel.version = manifest.version;
        channel.serial = serial;
        put(image + "/" + std::to_string(manifest.version) + "/manifest.json",
            format::serialize_manifest(manifest));
        put(image + "/stable.json", format::serialize_channel(channel));
        return newer_version(volume->log(), versions.fetcher, test::url("http://h/" + image + "/stable.json"),
                             {trust, tags, by_hand}, versions.observer);
    };
    const auto kind_of = [](const Result<std::optional<store::Source>>& result) {
        REQUIRE_FALSE(result.ok());
        return result.error().kind;
    };
    SECTION("newer") {
        const auto newer = offer(versions.two.manifest, 1);
        REQUIRE(newer.ok());
        REQUIRE(newer->has_value());
        CHECK((*newer)->manifest == versions.two.manifest);
    }
    SECTION("newer, and its serial number counts before it is installed") {
        CHECK(offer(versions.two.manifest, 7)->has_value());
        CHECK(known().with_name("stable")->serial == 7);
        CHECK(kind_of(offer(versions.two.manifest, 6)) == Failure::source);
        CHECK(kind_of(offer(versions.one.manifest, 6)) == Failure::source);
    }
    SECTION("the same, whose serial number counts from then on") {
        const auto same = offer(versions.one.manifest, 7);
        REQUIRE(same.ok());
        CHECK_FALSE(same->has_value());
        CHECK(known().with_name("stable")->serial == 7);
        CHECK(kind_of(offer(versions.two.manifest, 6)) == Failure::source);
        CHECK(kind_of(offer(versions.one.manifest, 6)) == Failure::source);
        CHECK(offer(versions.two.manifest, 7)->has_value());
    }
    SECTION("for other machines, whose serial number and time count all the same") {
        channel.issued = 1000;
        SECTION("by their tags") {
            channel.hold_back = {"hall", "lobby"};
            tags = {"upstairs"};
            CHECK(offer(versions.two.manifest, 7)->has_value());
            tags = {"upstairs", "lobby"};
        }
        SECTION("by their share") {
            channel.salt = "s";
            for (channel.percent = 99; offer(versions.two.manifest, 7)->has_value(); --channel.percent)
                REQUIRE(channel.percent > 1);
        }
        CHECK_FALSE(offer(versions.two.manifest, 7)->has_value());
        CHECK(known().with_name("stable")->serial == 7);
        CHECK(known().with_name("stable")->issued == 1000);
        by_hand = true;
        CHECK(offer(versions.two.manifest, 7)->has_value());
    }
    SECTION("for other machines by now: what was staged before is not installed") {
        const auto stage = [&](const format::Manifest& manifest) {
            format::ImageRecord record = *volume->log().record();
            record.staged = {format::serialize_manifest(manifest), ""};
            REQUIRE(volume->log().write_record(record).ok());
        };
        stage(versions.two.manifest);
        CHECK(offer(versions.two.manifest, 7)->has_value());
        CHECK(volume->log().record()->staged);
        channel.hold_back = {"lobby"};
        tags = {"lobby"};
        CHECK_FALSE(offer(versions.two.manifest, 8)->has_value());
        CHECK(versions.observer.lines.find(" is held back from machines with the tag lobby\n") !=
              std::string::npos);
        CHECK_FALSE(volume->log().record()->staged);
        format::Manifest before = versions.two.manifest;
        before.version -= 1;
        stage(before);  // which the channel named before
        CHECK_FALSE(offer(versions.two.manifest, 9)->has_value());
        CHECK(volume->log().record()->staged);
    }
    SECTION("nothing new: one small request, and nothing that is not signed is kept") {
        CHECK_FALSE(offer(versions.one.manifest, 7)->has_value());
        const format::ImageRecord before = *volume->log().record();
        versions.fetcher.files["http://h/" + image + "/stable.json.sig"] = ByteVector(64);
        versions.fetcher.requests.clear();
        const auto again = [&] {
            return newer_version(volume->log(), versions.fetcher,
                                 test::url("http://h/" + image + "/stable.json"), {trust, tags, by_hand},
                                 versions.observer);
        };
        CHECK_FALSE(again()->has_value());
        REQUIRE(versions.fetcher.requests.size() == 1);
        CHECK(versions.fetcher.requests[0].length < Bytes(2000));
        CHECK(*volume->log().record() == before);
        // Whatever else it says has to be signed.
        const auto serve = [&](const std::string& text) {
            const ConstByteSpan bytes = as_bytes(text);
            versions.fetcher.files["http://h/" + image + "/stable.json"] =
                ByteVector(bytes.begin(), bytes.end());
        };
        const format::Channel genuine = channel;
        SECTION("a number") {
            channel.serial = 8;
        }
        SECTION("a date") {
            channel.issued = 5000000;
        }
        SECTION("for whom it is") {
            channel.hold_back = {"lobby"};
        }
        serve(format::serialize_channel(channel));
        if (channel != genuine) CHECK(kind_of(again()) == Failure::source);
        CHECK(*volume->log().record() == before);
    }
    SECTION("nothing new, to a machine that is left out by now: what is staged is forgotten") {
        channel.hold_back = {"lobby"};
        CHECK(offer(versions.two.manifest, 7)->has_value());
        format::ImageRecord record = *volume->log().record();
        record.staged = {format::serialize_manifest(versions.two.manifest), ""};
        REQUIRE(volume->log().write_record(record).ok());
        tags = {"lobby"};
        CHECK_FALSE(offer(versions.two.manifest, 7)->has_value());
        CHECK_FALSE(volume->log().record()->staged);
    }
    SECTION("too long ago, as somebody may have frozen the channel") {
        trust = store::Trust(codec::PublicKeys::parse(key.public_pem()).value(), "",
                             {.now = 10 * 86400 + 1000, .max_age = 10 * 86400});
        channel.issued = 1000;
        CHECK(offer(versions.two.manifest, 7)->has_value());
        channel.issued = 999;
        CHECK(kind_of(offer(versions.two.manifest, 8)) == Failure::source);
        CHECK(kind_of(offer(versions.one.manifest, 8)) == Failure::source);
        channel.issued = 2000000;  // the clock is behind
        CHECK(offer(versions.two.manifest, 9)->has_value());
        // So it is not earlier than that.
        channel.issued = 2000000 - 10 * 86400 - 1;
        CHECK(kind_of(offer(versions.two.manifest, 10)) == Failure::source);
    }
    SECTION("newer, of another size") {
        format::Manifest manifest = versions.two.manifest;
        manifest.size = Bytes(4096);
        CHECK(offer(manifest, 7)->has_value());
    }
    SECTION("older") {
        format::ImageRecord record = *volume->log().record();
        record.image_version = versions.two.manifest.version + 1;
        REQUIRE(volume->log().write_record(record).ok());
        CHECK(kind_of(offer(versions.two.manifest, 1)) == Failure::refused);
    }
    SECTION("another image, where there are no keys") {
        trust = {};
        format::Manifest other = versions.two.manifest;
        other.image = "other";
        put(image + "/" + std::to_string(other.version) + "/manifest.json",
            format::serialize_manifest(other));
        put(image + "/stable.json", format::serialize_channel({"other", other.version, "stable", 1}));
        CHECK(kind_of(newer_version(volume->log(), versions.fetcher,
                                    test::url("http://h/" + image + "/stable.json"), {trust, {}},
                                    versions.observer)) == Failure::refused);
    }
}

namespace {

// Version 2 has another size, and blocks of another size.
struct OtherLayout {
    OtherLayout(std::uint64_t block_size, std::uint64_t size)
        : one(image(1, block_bytes, 23 * block_bytes + 512)), two(image(2, block_size, size)) {
        for (const GoldenImage* const version : {&one, &two}) {
            const store::Source source = source_of(*version);
            fetcher.files[source.data_url.with_credentials()] = version->frames;
            fetcher.files[source.index_url.with_credentials()] = version->index_file;
            fetcher.files[source.tree_url.with_credentials()] = version->tree_file;
        }
        volume = test::make_session_volume(one, session);
        const Bytes log_length =
            std::max(one.manifest.log_geometry().log_length(), two.manifest.log_geometry().log_length());
        ByteVector disk = volume->data.content();
        ByteVector log = volume->log_device.content();
        disk.resize(100 * block_bytes);
        log.resize(log_length.count());
        volume = std::make_unique<TestVolume>(disk, log);
    }
    static GoldenImage image(std::uint64_t version, std::uint64_t block_size, std::uint64_t size) {
        GoldenImage made = test::make_golden_image(test::block_size_of(block_size), Bytes(size),
                                                   [](std::uint64_t n) { return n >= 8 && n < 12; });
        made.manifest.version = version;
        return made;
    }
    static store::Source source_of(const GoldenImage& image) {
        store::Source source = image.source();
        const std::string folder = "http://store/" + std::to_string(image.manifest.version);
        source.data_url = test::url(folder + "/image.zst");
        source.index_url = test::url(folder + "/image.index");
        source.tree_url = test::url(folder + "/image.verity");
        return source;
    }
    Result<Update> update(std::uint32_t trial_boots) {
        return volume::update(volume->log(), source_of(one), source_of(two), trial_boots, trees());
    }
    TreeSources trees() { return {fetcher, nullptr, observer}; }
    // To what the record says, as the tool begins.
    const GoldenImage& restore(TestVolume& left) {
        REQUIRE(finish_layout(left.log()).ok());
        const GoldenImage& image = left.log().record()->image_version == 1 ? one : two;
        const store::Source source = source_of(image);
        const StopFlag stop;
        Restore restore({left.log(), left.data}, source, fetcher, observer, stop);
        REQUIRE(restore.attempt().ok());
        return image;
    }

    GoldenImage one;
    GoldenImage two;
    FakeFetcher fetcher;
    test::SilentObserver observer;
    std::unique_ptr<TestVolume> volume;
};

OtherLayout other_layout() {
    const auto [block_size, size] = GENERATE(std::pair(4096, 40 * 4096), std::pair(4096, 10 * 4096 + 512),
                                             std::pair(16384, 23 * 4096 + 512));
    return {static_cast<std::uint64_t>(block_size), static_cast<std::uint64_t>(size)};
}

}  // namespace

TEST_CASE(
    "a version of another size or block size has the log laid out anew, and fetches what is not there") {
    OtherLayout layouts = other_layout();
    TestVolume& volume = *layouts.volume;
    const Uuid uuid = volume.log().superblock().uuid;
    const Result<Update> update = layouts.update(3);
    REQUIRE(update.ok());
    CHECK(update->all_unknown);
    CHECK(volume.log().geometry() == layouts.two.manifest.log_geometry());
    CHECK(volume.log().superblock().uuid == uuid);
    CHECK(volume.log().record()->state == VolumeState::provisioning);
    CHECK(volume.log().record()->before);
    CHECK(volume.bitmap().marked() == layouts.two.manifest.blocks());
    layouts.fetcher.requests.clear();
    layouts.restore(volume);
    CHECK(test::is_golden(volume.data.content(), layouts.two));
    CHECK(volume.log().record()->state == VolumeState::golden);
    Bytes fetched;
    for (const FakeFetcher::Request& request : layouts.fetcher.requests)
        if (request.url.ends_with("image.zst")) fetched += request.length;
    // Where blocks are as large as before the images begin alike.
    if (layouts.two.manifest.block_size.bytes() == Bytes(block_bytes))
        CHECK(fetched < Bytes(layouts.two.frames.size()));

    // Not confirmed, the one before comes back, and its layout.
    REQUIRE(go_back(volume.log(), OtherLayout::source_of(layouts.two), OtherLayout::source_of(layouts.one),
                    layouts.trees())
                .ok());
    CHECK(volume.log().geometry() == layouts.one.manifest.log_geometry());
    CHECK(volume.log().record()->rejected_version == 2);
    layouts.restore(volume);
    CHECK(test::is_golden(volume.data.content(), layouts.one));
}

TEST_CASE("a power cut at any operation of an update to another layout leaves what a restore makes golden") {
    OtherLayout layouts = other_layout();
    bool unfinished = false;
    const auto run = [&] {
        REQUIRE(layouts.update(3).ok());
        layouts.restore(*layouts.volume);
    };
    test::for_each_power_cut(*layouts.volume, run, [&](const ByteVector& disk, const ByteVector& log) {
        TestVolume left(disk, log);
        REQUIRE(left.log_store);
        REQUIRE(left.log().record());
        if (layout_for(*left.log().record()) != left.log().geometry()) {
            unfinished = true;
            REQUIRE(is_layout_unfinished(left.log()));
        }
        const GoldenImage& image = layouts.restore(left);
        if (!test::is_golden(left.data.content(), image)) FAIL("not golden");
        if (left.bitmap().marked() > Blocks(0)) FAIL("marks are left");
    });
    CHECK(unfinished);
}

TEST_CASE("the way back to another layout is not begun without its tree") {
    OtherLayout layouts(4096, 40 * 4096);
    TestVolume& volume = *layouts.volume;
    REQUIRE(layouts.update(3).ok());
    layouts.restore(volume);
    layouts.fetcher.files.erase(OtherLayout::source_of(layouts.one).tree_url.with_credentials());
    volume.journal.entries.clear();
    const Result<Update> back = go_back(volume.log(), OtherLayout::source_of(layouts.two),
                                        OtherLayout::source_of(layouts.one), layouts.trees());
    CHECK(back.error().kind == Failure::source);
    CHECK(volume.journal.entries.empty());
}

TEST_CASE("a version of another layout whose tree cannot be had is not installed") {
    OtherLayout layouts(4096, 40 * 4096);
    layouts.fetcher.files.erase(OtherLayout::source_of(layouts.two).tree_url.with_credentials());
    CHECK(layouts.update(3).error().kind == Failure::source);
    CHECK(layouts.volume->journal.entries.empty());
}

}  // namespace regild::volume
