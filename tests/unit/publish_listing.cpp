// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/listing.hpp"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cli_session.hpp"
#include "store_of_versions.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;
using test::StoreOfVersions;
using test::write_file;

ListedImage listed(const StoreOfVersions& store, const Keys& keys = {}) {
    Result<ListedImage> image = list_image(store.path(), "kiosk", keys);
    REQUIRE(image.ok());
    return *std::move(image);
}

void sign(const codec::PrivateKey& key, const fs::path& document) {
    write_file(document.string() + ".sig", key.sign(test::read_file(document)));
}

}  // namespace

TEST_CASE("a store is listed with its images, versions and channels") {
    StoreOfVersions store(10);
    store.promote(2, "stable");
    store.promote(10, "testing");
    fs::create_directories(store.path() / "css/fonts");
    write_file(store.path() / "css/config.json", "{}");
    const Result<std::vector<ListedImage>> images = list_store(store.path(), {});
    REQUIRE(images.ok());
    REQUIRE(images->size() == 1);
    const ListedImage& image = (*images)[0];
    CHECK(image.is_sound());
    CHECK(image.name == "kiosk");
    REQUIRE(image.versions.size() == 10);
    for (std::uint64_t i = 0; i < 10; ++i)
        CHECK(image.versions[i].number == i + 1);
    const ListedVersion& version = image.versions[9];
    CHECK(version.manifest->size == Bytes(65536));
    CHECK(version.data == Bytes(fs::file_size(store.version(10) / "image.zst")));
    struct stat status {};
    REQUIRE(stat((store.version(10) / "manifest.json").c_str(), &status) == 0);
    CHECK(version.published == static_cast<std::uint64_t>(status.st_mtim.tv_sec));
    CHECK(version.signature == SignatureState::none);
    REQUIRE(image.channels.size() == 2);
    CHECK(image.channels[0].name == "stable");
    CHECK(image.channels[0].channel->version == 2);
    CHECK(image.channels[1].name == "testing");
    CHECK(image.channels[1].channel->version == 10);
}

TEST_CASE("what is damaged is told and does not end the listing") {
    StoreOfVersions store(7);
    store.promote(1, "stable");
    store.promote(7, "testing");
    fs::remove(store.version(2) / "manifest.json");
    write_file(store.version(3) / "manifest.json", "{");
    fs::remove(store.version(4) / "image.zst");
    write_file(store.version(5) / "image.index", "short");
    fs::copy_file(store.version(1) / "manifest.json", store.version(6) / "manifest.json",
                  fs::copy_options::overwrite_existing);
    fs::remove_all(store.version(7));
    write_file(store.folder() / "broken.json", "{");
    REQUIRE(mkfifo((store.folder() / "pipe.json").c_str(), 0600) == 0);
    const ListedImage image = listed(store);
    CHECK_FALSE(image.is_sound());
    std::vector<std::string> problems;
    for (const ListedVersion& version : image.versions)
        problems.push_back(version.problem);
    REQUIRE(problems.size() == 6);
    CHECK(problems[0].empty());
    CHECK(problems[1] == "it has no manifest.json");
    CHECK_FALSE(problems[2].empty());
    CHECK(problems[3] == "image.zst is missing");
    CHECK(problems[4] == "image.index is 5 bytes long, not 104");
    CHECK(problems[5].ends_with("is not the manifest of version 6 of kiosk"));
    REQUIRE(image.channels.size() == 4);
    CHECK_FALSE(image.channels[0].problem.empty());
    CHECK(image.channels[1].problem.ends_with("pipe.json is not a file"));
    CHECK(image.channels[2].problem.empty());
    CHECK(image.channels[3].problem == "version 7 is not in the store");
    CHECK(image.channels[3].channel->version == 7);
}

TEST_CASE("a version that is being published is told, and nothing is wrong with it") {
    StoreOfVersions store(1);
    const Result<ImageFolder> publisher = ImageFolder::open(store.path(), "kiosk");
    REQUIRE(publisher.ok());
    const Result<PartialVersion> partial = PartialVersion::create(*publisher, 2);
    REQUIRE(partial.ok());
    const ListedImage image = listed(store);
    CHECK(image.is_sound());
    CHECK(image.versions.size() == 1);
    CHECK(image.unfinished == std::vector<std::string>{partial->path().filename()});
}

TEST_CASE("with keys only what one of them signed in its own place is no problem") {
    StoreOfVersions store(3);
    store.promote(1, "stable");
    store.promote(1, "testing");
    const codec::PrivateKey key = codec::PrivateKey::generate();
    const codec::PrivateKey other = codec::PrivateKey::generate();
    sign(key, store.version(1) / "manifest.json");
    sign(other, store.version(2) / "manifest.json");
    sign(key, store.folder() / "stable.json");
    fs::copy_file(store.folder() / "stable.json", store.folder() / "testing.json",
                  fs::copy_options::overwrite_existing);
    fs::copy_file(store.folder() / "stable.json.sig", store.folder() / "testing.json.sig");

    const ListedImage unchecked = listed(store);
    CHECK(unchecked.is_sound());
    CHECK(unchecked.versions[0].signature == SignatureState::unchecked);
    CHECK(unchecked.versions[1].signature == SignatureState::unchecked);
    CHECK(unchecked.versions[2].signature == SignatureState::none);

    const ListedImage image = listed(store, codec::PublicKeys::parse(key.public_pem()).value());
    CHECK_FALSE(image.is_sound());
    CHECK(image.versions[0].signature == SignatureState::good);
    CHECK(image.versions[0].problem.empty());
    CHECK(image.versions[1].signature == SignatureState::bad);
    CHECK(image.versions[1].problem == "its signature is of none of the keys");
    CHECK(image.versions[2].problem == "it is not signed");
    CHECK(image.channels[0].problem.empty());
    CHECK(image.channels[1].problem == "it was made for channel stable");

    store.promote(2, "stable");  // and not signed anew
    CHECK(listed(store, codec::PublicKeys::parse(key.public_pem()).value()).channels[0].signature ==
          SignatureState::bad);
}

TEST_CASE("list prints what is there, and its exit code says whether something is wrong") {
    StoreOfVersions store(2);
    store.promote(1, "stable");
    REQUIRE(promote({store.path(), "kiosk", 1, "stable", {20, {"lobby", "hall"}}}).ok());
    test::CommandLine shell;
    REQUIRE(shell.run({"list", store.path()}) == 0);
    CHECK(shell.out.find("image kiosk\n") != std::string::npos);
    CHECK(shell.out.find("version 1       64 KiB, compressed to ") != std::string::npos);
    CHECK(
        shell.out.find("channel stable  version 1 for 20 %, not for lobby hall, serial number 2, issued 2") !=
        std::string::npos);
    REQUIRE(shell.run({"list", store.path(), "kiosk", "--json"}) == 0);
    nlohmann::json json = nlohmann::json::parse(shell.out).at("images").at(0);
    CHECK(json.at("image") == "kiosk");
    CHECK(json.at("versions").at(1).at("version") == 2);
    CHECK(json.at("versions").at(1).at("size") == 65536);
    CHECK(json.at("versions").at(1).at("signature") == "none");
    CHECK(json.at("versions").at(1).at("published").get<std::string>().size() == 20);
    CHECK(json.at("versions").at(1).at("problem").is_null());
    CHECK(json.at("channels").at(0).at("serial") == 2);
    CHECK(json.at("channels").at(0).at("percent") == 20);
    CHECK(json.at("channels").at(0).at("hold_back") == std::vector<std::string>{"lobby", "hall"});

    fs::remove(store.version(2) / "manifest.json");
    REQUIRE(shell.run({"list", store.path()}) == 7);
    CHECK(shell.out.find("version 2       PROBLEM: it has no manifest.json\n") != std::string::npos);
    CHECK(shell.out.find("channel stable") != std::string::npos);
    REQUIRE(shell.run({"list", store.path(), "--json"}) == 7);
    json = nlohmann::json::parse(shell.out).at("images").at(0).at("versions").at(1);
    CHECK(json.at("size").is_null());
    CHECK(json.at("problem") == "it has no manifest.json");

    CHECK(shell.run({"list", store.path(), "other"}) == 2);
    CHECK(shell.run({"list", store.directory / "nowhere"}) == 2);
    CHECK(shell.run({"list", store.path(), "../x"}) == 2);
    CHECK(shell.run({"list", store.path(), "kiosk", "more"}) == 2);
    CHECK(shell.run({"list"}) == 2);
    fs::create_directory(store.directory / "empty");
    CHECK(shell.run({"list", store.directory / "empty"}) == 0);
}

}  // namespace regild::publish
