// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/gc.hpp"

#include <nlohmann/json.hpp>

#include "cli_session.hpp"
#include "publish/listing.hpp"
#include "store_of_versions.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;
using test::StoreOfVersions;
using test::write_file;

Result<GcReport> run_gc(StoreOfVersions& store, std::uint64_t keep, bool remove = true) {
    return gc({store.path(), "kiosk", keep, remove}, store.observer, store.stop);
}

std::vector<std::uint64_t> versions_of(const StoreOfVersions& store) {
    const Result<ListedImage> image = list_image(store.path(), "kiosk", {});
    REQUIRE(image.ok());
    std::vector<std::uint64_t> versions;
    for (const ListedVersion& version : image->versions)
        versions.push_back(version.number);
    return versions;
}

using Versions = std::vector<std::uint64_t>;

Versions numbers_of(const std::vector<GcReport::Version>& versions) {
    Versions numbers;
    for (const GcReport::Version& version : versions)
        numbers.push_back(version.version);
    return numbers;
}

std::vector<std::string> hidden_in(const fs::path& folder) {
    std::vector<std::string> names = names_in(folder).value();
    std::erase_if(names, [](const std::string& name) { return !name.starts_with('.'); });
    return names;
}

}  // namespace

TEST_CASE("gc removes what no channel names and is none of the newest, and tells it first") {
    StoreOfVersions store(11);
    store.promote(2, "stable");
    store.promote(9, "testing");
    const Result<GcReport> told = run_gc(store, 2, false);
    REQUIRE(told.ok());
    CHECK(numbers_of(told->versions) == Versions{1, 3, 4, 5, 6, 7, 8});
    CHECK(versions_of(store).size() == 11);
    REQUIRE(told->kept.size() == 4);
    CHECK(told->kept[0].version == 2);
    CHECK(told->kept[0].channels == std::vector<std::string>{"stable"});
    CHECK(told->kept[1].channels == std::vector<std::string>{"testing"});
    CHECK(told->kept[2].channels.empty());
    CHECK(told->versions[0].bytes > Bytes(0));
    CHECK(told->bytes() >= told->versions[0].bytes + told->versions[1].bytes);

    const Result<GcReport> done = run_gc(store, 2);
    REQUIRE(done.ok());
    CHECK(numbers_of(done->versions) == numbers_of(told->versions));
    CHECK(versions_of(store) == Versions{2, 9, 10, 11});
    CHECK(hidden_in(store.folder()).empty());
    CHECK(run_gc(store, 2)->versions.empty());
    CHECK(list_image(store.path(), "kiosk", {})->is_sound());
}

TEST_CASE("while a channel leaves machines out, gc keeps what they may hold") {
    StoreOfVersions store(6);
    store.promote(2, "testing");
    PromoteRequest share{store.path(), "kiosk", 4, "stable"};
    SECTION("a share") {
        share.rollout.percent = 99;
    }
    SECTION("some that are held back") {
        share.rollout.hold_back = {"lobby"};
    }
    REQUIRE(promote(share).ok());
    const Result<GcReport> partly = run_gc(store, 1);
    REQUIRE(partly.ok());
    CHECK(versions_of(store) == Versions{1, 2, 3, 4, 6});
    CHECK(partly->kept[0].left_out_by == std::vector<std::string>{"stable"});
    CHECK(partly->kept[0].channels.empty());
    CHECK(partly->kept[1].channels == std::vector<std::string>{"testing"});
    CHECK(partly->kept[3].left_out_by.empty());
    test::CommandLine shell;
    REQUIRE(shell.run({"gc", store.path(), "kiosk"}) == 0);
    CHECK(shell.out.find("kept        version 2, named by testing, for machines left out by stable\n") !=
          std::string::npos);
    REQUIRE(shell.run({"gc", store.path(), "kiosk", "--json"}) == 0);
    CHECK(nlohmann::json::parse(shell.out).at("kept").at(2).at("left_out_by").at(0) == "stable");

    store.promote(4, "stable");
    REQUIRE(run_gc(store, 1).ok());
    CHECK(versions_of(store) == Versions{2, 4, 6});
}

TEST_CASE("gc removes nothing while a publisher is at work, and tells its folder as one that may be") {
    StoreOfVersions store(3);
    {
        const Result<ImageFolder> publisher = ImageFolder::open(store.path(), "kiosk");
        REQUIRE(publisher.ok());
        const Result<PartialVersion> partial = PartialVersion::create(*publisher, 4);
        REQUIRE(partial.ok());
        const Result<GcReport> told = run_gc(store, 1, false);
        REQUIRE(told.ok());
        REQUIRE(told->leftovers.size() == 1);
        CHECK(told->leftovers[0].name == partial->path().filename());
        const Result<GcReport> refused = run_gc(store, 1);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().kind == Failure::refused);
        CHECK(fs::exists(partial->path()));
        CHECK(versions_of(store).size() == 3);
    }
    fs::create_directory(store.folder() / ".4.partial-killed");
    const Result<GcReport> done = run_gc(store, 3);
    REQUIRE(done.ok());
    REQUIRE(done->leftovers.size() == 1);
    CHECK(hidden_in(store.folder()).empty());
}

TEST_CASE("a gc that was cut off is ended by the next one, and what a channel names comes back") {
    StoreOfVersions store(5);
    store.promote(2, "stable");
    for (const std::uint64_t version : {1, 2, 3, 4})
        fs::rename(store.version(version), store.folder() / ("." + std::to_string(version) + ".removed"));
    fs::remove(store.folder() / ".3.removed/manifest.json");
    store.publish(4);  // the number was taken anew
    store.promote(4, "testing");
    REQUIRE(run_gc(store, 1, false)->leftovers.size() == 4);
    const Result<GcReport> done = run_gc(store, 1);
    REQUIRE(done.ok());
    CHECK(versions_of(store) == Versions{2, 4, 5});
    CHECK(hidden_in(store.folder()).empty());
    CHECK(done->leftovers.size() == 3);
    CHECK(store.observer.events.back() == "version 2 is needed by channel stable by now: it stays");
    CHECK(list_image(store.path(), "kiosk", {})->is_sound());
}

TEST_CASE("while one channel cannot be read nothing is removed") {
    StoreOfVersions store(3);
    store.promote(3, "stable");
    fs::rename(store.version(1), store.folder() / ".1.removed");
    write_file(store.folder() / "Room.json", "{");
    for (const bool remove : {false, true}) {
        const Result<GcReport> refused = run_gc(store, 1, remove);
        REQUIRE_FALSE(refused.ok());
        CHECK(refused.error().kind == Failure::refused);
        CHECK(refused.error().message.find("Room.json") != std::string::npos);
    }
    CHECK(versions_of(store) == Versions{2, 3});
    CHECK(fs::exists(store.folder() / ".1.removed/manifest.json"));
}

TEST_CASE("gc leaves alone what somebody may be copying, and damaged versions are none of the newest") {
    StoreOfVersions store(6);
    fs::remove(store.version(1) / "manifest.json");
    fs::rename(store.version(2), store.directory / "elsewhere");
    fs::create_directory_symlink(store.directory / "elsewhere", store.version(2));
    write_file(store.version(6) / "manifest.json", "{");
    const Result<GcReport> done = run_gc(store, 2);
    REQUIRE(done.ok());
    REQUIRE(done->left_alone.size() == 2);
    CHECK(done->left_alone[0].why.find("manifest.json") != std::string::npos);
    CHECK(done->left_alone[1].why == "it is a symbolic link");
    CHECK(versions_of(store) == Versions{1, 2, 4, 5, 6});
    CHECK(fs::exists(store.directory / "elsewhere/manifest.json"));
    CHECK(run_gc(store, 4)->versions.empty());
}

TEST_CASE("a gc that is to stop ends between two versions") {
    StoreOfVersions store(3);
    store.stop.request();
    const Result<GcReport> stopped = run_gc(store, 1);
    REQUIRE_FALSE(stopped.ok());
    CHECK(stopped.error().kind == Failure::interrupted);
    CHECK(versions_of(store).size() == 3);
}

TEST_CASE("gc prints what it would remove, and removes it with --delete alone") {
    StoreOfVersions store(5);
    store.promote(1, "stable");
    test::CommandLine shell;
    REQUIRE(shell.run({"gc", store.path(), "kiosk"}) == 0);
    CHECK(shell.out.find("kept        version 1, named by stable\n") != std::string::npos);
    CHECK(shell.out.find("to remove   version 2, ") != std::string::npos);
    CHECK(shell.out.find("with --delete\n") != std::string::npos);
    CHECK(versions_of(store).size() == 5);
    REQUIRE(shell.run({"gc", store.path(), "kiosk", "--keep", "1", "--delete", "--json"}) == 0);
    const nlohmann::json json = nlohmann::json::parse(shell.out);
    CHECK(json.at("image") == "kiosk");
    CHECK(json.at("keep") == 1);
    CHECK(json.at("deleted") == true);
    CHECK(json.at("kept").at(0).at("channels").at(0) == "stable");
    CHECK(json.at("versions").at(0).at("version") == 2);
    CHECK(json.at("bytes") > json.at("versions").at(0).at("bytes"));
    CHECK(versions_of(store) == Versions{1, 5});

    CHECK(shell.run({"gc", store.path(), "kiosk", "--keep", "0", "--delete"}) == 2);
    CHECK(shell.run({"gc", store.path(), "kiosk", "--keep", "x"}) == 2);
    CHECK(shell.run({"gc", store.path(), "other", "--delete"}) == 2);
    CHECK_FALSE(fs::exists(store.path() / "other"));
    CHECK(shell.run({"gc", store.path()}) == 2);
    CHECK(shell.err.find("1 argument beside options, but it takes STORE IMAGE") != std::string::npos);
    const Result<ImageFolder> publisher = ImageFolder::open(store.path(), "kiosk");
    REQUIRE(publisher.ok());
    CHECK(shell.run({"gc", store.path(), "kiosk", "--delete"}) == 5);
}

}  // namespace regild::publish
