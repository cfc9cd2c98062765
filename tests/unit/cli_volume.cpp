// SPDX-License-Identifier: GPL-2.0-or-later
// Each command on plain files and a store read through a file: URL; the exit codes of regild(8).
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "block/device.hpp"
#include "cli_session.hpp"
#include "codec/ed25519.hpp"
#include "files.hpp"
#include "log/write_log.hpp"
#include "net_server.hpp"
#include "temporary_directory.hpp"

namespace regild::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::overwrite;
using test::read_file;
using test::write_file;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t blocks = 50;
constexpr std::size_t tail_bytes = 512;  // in the last block

// A published image of 49 blocks and a sector, and a blank disk.
class Workplace : public test::CommandLine {
  public:
    Workplace() {
        std::string image;
        for (std::size_t n = 0; n + 1 < blocks; n++)
            image += std::string(block_bytes, n % 5 == 4 ? '\0' : static_cast<char>('A' + n));
        golden = image + std::string(tail_bytes, 'z');
        write_file(directory / "golden.img", golden);
        REQUIRE(run({"publish", directory / "golden.img", "--store", directory / "store", "--image", "kiosk",
                     "--version", "1", "--block-size", "4K", "--channel", "stable"}) == 0);
        write_file(data(), std::string(blocks * block_bytes, '\0'));
        write_file(log(), std::string(std::size_t{1} << 20, '\0'));
    }

    std::string data() const { return directory / "data"; }
    std::string log() const { return directory / "log"; }
    int on_volume(const std::string& command, const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{command, "--data", data(), "--log", log(), "--source", source_url};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }
    int on_log(const std::string& command, const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{command, "--log", log()};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }
    std::string configuration() {
        json keys = {{"data", data()},  {"log", log()},      {"source", source_url},
                     {"name", "kiosk"}, {"offline", "halt"}, {"device_timeout", 0}};
        keys.update(more_configuration);
        write_file(directory / "regild.json", keys.dump());
        return directory / "regild.json";
    }
    int boot(const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{
            "boot", "--config", configuration(), "--report", directory / "run/report.json", "--no-map"};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }
    json report() { return json::parse(read_file(directory / "run/report.json")); }
    bool is_golden() { return read_file(data()).starts_with(golden); }
    // As nobody but a forger or a fault would write the image record.
    template <class Change>
    void forge(Change change) {
        const std::unique_ptr<block::Device> device = *block::Device::open(log(), block::Access::exclusive);
        log::WriteLog store = **log::WriteLog::open(*device);
        format::ImageRecord record = *store.record();
        change(record);
        REQUIRE(store.write_record(record).ok());
    }
    bool says(const std::string& text) { return (out + err).find(text) != std::string::npos; }

    test::TemporaryDirectory directory;
    std::string source_url = "file://" + (directory / "store/kiosk/stable.json").string();
    std::string golden;
    json more_configuration = json::object();
};

class ProvisionedWorkplace : public Workplace {
  public:
    ProvisionedWorkplace() { REQUIRE(on_volume("provision") == 0); }
};

}  // namespace

TEST_CASE_METHOD(Workplace, "provision writes the image to a blank disk") {
    CHECK(on_volume("provision") == 0);
    CHECK(is_golden());
    CHECK(says("image kiosk version 1: golden"));
    CHECK(on_log("dirty") == 0);
    CHECK(out.empty());
}

TEST_CASE_METHOD(Workplace, "format marks every block and provision goes on from there") {
    CHECK(on_volume("format") == 0);
    CHECK(on_log("dirty") == 0);
    CHECK(out == "0-49\n");
    CHECK(read_file(data()) == std::string(blocks * block_bytes, '\0'));
    CHECK(on_volume("provision") == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "provision refuses a provisioned disk and says what to do") {
    CHECK(on_volume("provision") == 5);
    CHECK(says("already provisioned with image kiosk version 1"));
    CHECK(says("regild restore --data " + data()));
    CHECK(says("regild format --data " + data()));
}

TEST_CASE_METHOD(Workplace, "a disk that holds something else is overwritten only with --adopt") {
    overwrite(data(), 5000, "precious");
    const std::string before = read_file(data());
    CHECK(on_volume("provision") == 5);
    CHECK(on_volume("format") == 5);
    CHECK(read_file(data()) == before);
    CHECK(on_volume("provision", {"--adopt"}) == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a blank file in the golden one's place is not taken for it") {
    fs::rename(data(), data() + ".golden");
    write_file(data(), std::string(blocks * block_bytes, '\0'));
    CHECK(on_volume("restore") == 5);
    CHECK(says("was made for another disk"));
    CHECK(boot() == 5);
    CHECK(on_volume("provision", {"--adopt"}) == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a log counts only for the disk whose PARTUUID and WWID it holds") {
    SECTION("another PARTUUID") {
        forge([](auto& record) { record.disk.partuuid = "0d8f4c1e-5b0b-4c1a-9b57-2f6f7d1c3a55"; });
    }
    SECTION("another WWID") {
        forge([](auto& record) { record.disk.wwid = "QEMU-HARDDISK-0001"; });
    }
    SECTION("another start") {
        forge([](auto& record) { record.disk.start = Sectors(2048); });
    }
    CHECK(on_volume("restore") == 5);
    CHECK(says("was made for another disk"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a log whose record makes no sense does not count") {
    SECTION("a manifest that is none") {
        forge([](auto& record) { record.manifest = "{}"; });
        CHECK(on_volume("restore") == 5);
        CHECK(says("is damaged"));
    }
    SECTION("a manifest of another block size, in a state in which no log is laid out anew") {
        forge([](auto& record) {
            const std::string size = "\"block_size\": 4096";
            record.manifest.replace(record.manifest.find(size), size.size(), "\"block_size\": 8192");
            record.unknown = true;
        });
        CHECK(on_volume("restore") == 5);
        CHECK(says("contradict each other"));
    }
    SECTION("a manifest of another version") {
        forge([](auto& record) { record.image_version = 2; });
        CHECK(on_volume("restore") == 5);
        CHECK(says("contradict each other"));
    }
}

TEST_CASE_METHOD(Workplace, "a version below the log's floor is installed only where that is allowed") {
    REQUIRE(run({"publish", directory / "golden.img", "--store", directory / "store", "--image", "kiosk",
                 "--version", "2", "--block-size", "4K"}) == 0);
    const auto format = [&](const std::string& version, const std::vector<std::string>& more) {
        std::vector<std::string> words{
            "format",
            "--data",
            data(),
            "--log",
            log(),
            "--source",
            "file://" + (directory / "store/kiosk" / version / "manifest.json").string()};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    };
    const auto version = [&] {
        REQUIRE(on_log("status", {"--json"}) == 0);
        return json::parse(out)["record"]["version"].get<int>();
    };
    REQUIRE(format("2", {}) == 0);
    CHECK(format("1", {}) == 5);
    CHECK(says("version 1 of kiosk is offered"));
    CHECK(says("allows none below 2"));
    CHECK(version() == 2);
    CHECK(format("2", {}) == 0);
    // Nor does another disk make the log forget it.
    fs::rename(data(), data() + ".old");
    write_file(data(), std::string(blocks * block_bytes, '\0'));
    CHECK(on_volume("provision", {"--adopt"}) == 5);
    CHECK(says("allows none below 2"));
    CHECK(version() == 2);
    CHECK(format("1", {"--adopt", "--allow-downgrade"}) == 0);
    CHECK(version() == 1);
}

TEST_CASE_METHOD(Workplace, "a source that can be none is refused before anything is asked") {
    for (const char* source : {"http://127.0.0.1:1/kiosk/", "gopher://127.0.0.1:1/stable.json", "stable"})
        for (const char* command : {"format", "provision", "restore", "verify"})
            CHECK(run({command, "--data", data(), "--log", log(), "--source", source}) == 2);
    write_file(
        directory / "wrong.json",
        json({{"data", data()}, {"log", log()}, {"source", "http://h/stable"}, {"name", "kiosk"}}).dump());
    CHECK(run({"boot", "--config", directory / "wrong.json", "--no-map", "--report", directory / "report"}) ==
          2);
    CHECK(says("'source'"));
}

TEST_CASE_METHOD(Workplace, "restore refuses a disk without a log and says what to do") {
    CHECK(on_volume("restore") == 5);
    CHECK(says("there is no log on " + log()));
    CHECK(says("regild provision --data " + data()));
    CHECK(on_volume("verify") == 5);
}

TEST_CASE_METHOD(ProvisionedWorkplace, "restore rewrites what is marked and tells restored from clean") {
    overwrite(data(), 7 * block_bytes, std::string(block_bytes, '!'));
    overwrite(data(), 49 * block_bytes, std::string(tail_bytes, '!'));
    REQUIRE(on_log("mark", {"7", "49"}) == 0);
    CHECK(out == "newly marked: 2, marked in all: 2\n");
    CHECK(on_volume("restore") == 0);
    CHECK(says("restored   2 blocks (8 KiB)"));
    CHECK(is_golden());
    CHECK(on_volume("restore") == 0);
    CHECK(says("golden, no block is marked"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a clean restore needs no store") {
    fs::remove_all(directory / "store");
    CHECK(on_volume("restore") == 0);
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a restore that fails says how much is still marked") {
    REQUIRE(on_log("mark", {"7-8"}) == 0);
    fs::remove(directory / "store/kiosk/1/image.zst");
    CHECK(on_volume("restore") == 7);
    CHECK(says("2 blocks (8 KiB) are still marked: run the same command again to go on"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a restore that is interrupted ends with 130") {
    REQUIRE(on_log("mark", {"7-8"}) == 0);
    stop.request();
    CHECK(on_volume("restore") == 130);
    CHECK(on_log("dirty") == 0);
    CHECK(out == "7-8\n");
}

TEST_CASE_METHOD(ProvisionedWorkplace, "verify marks a wrong block, and restore heals it") {
    CHECK(on_volume("verify") == 0);
    overwrite(data(), 7 * block_bytes, "!");
    CHECK(on_volume("verify") == 6);
    CHECK(says("NOT golden"));
    CHECK(says("0 before, 1 now"));
    CHECK(on_log("dirty") == 0);
    CHECK(out == "7\n");
    CHECK(on_volume("restore") == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "verify ends with 6 as long as any block is not golden") {
    REQUIRE(on_log("mark", {"7-8"}) == 0);
    CHECK(on_volume("verify") == 6);  // marked before, whatever they hold
    CHECK(says("2 before, 0 now"));
    overwrite(data(), 3 * block_bytes, "x");
    CHECK(on_volume("verify") == 6);
    CHECK(says("2 before, 1 now"));
    CHECK(on_volume("verify", {"--json"}) == 6);
    const json report = json::parse(out);
    CHECK(report["outcome"] == "dirty");
    CHECK(report["checked_blocks"] == blocks);
    CHECK(report["marked_before_blocks"] == 3);
    CHECK(report["newly_marked_blocks"] == 0);
    CHECK(report["unreadable_blocks"] == 0);
    CHECK(on_volume("restore") == 0);
    CHECK(on_volume("verify") == 0);
    CHECK(says(": golden\n"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "mark-good confirms what status says is on trial, once") {
    CHECK(on_log("mark-good") == 0);
    CHECK(says("version 1 of kiosk is not on trial: nothing to confirm\n"));
    forge([](format::ImageRecord& record) {
        record.before = {record.manifest, ""};
        record.image_version = 2;
        record.trial_boots = 2;
        record.rejected_version = 9;
    });
    CHECK(on_log("status") == 0);
    CHECK(says(
        "on trial    boots left before it is gone back to version 1: 2; 'regild mark-good' confirms it\n"));
    CHECK(says("rejected    version 9, which was not confirmed\n"));
    CHECK(on_log("status", {"--json"}) == 0);
    CHECK(json::parse(out)["record"]["trial"] == json{{"version_before", 1}, {"boots_left", 2}});
    CHECK(json::parse(out)["record"]["rejected_version"] == 9);
    CHECK(on_log("mark-good") == 0);
    CHECK(says("version 2 of kiosk is confirmed\n"));
    CHECK(on_log("status", {"--json"}) == 0);
    CHECK(json::parse(out)["record"]["trial"] == nullptr);
    CHECK(json::parse(out)["record"]["version_floor"] == 2);
}

TEST_CASE_METHOD(ProvisionedWorkplace, "status tells what the log holds") {
    REQUIRE(on_log("mark", {"48-49"}) == 0);
    CHECK(on_log("status") == 0);
    CHECK(says("image       kiosk version 1"));
    CHECK(says("state       provisioned, "));
    const std::string channel = "file://" + (directory / "store/kiosk/stable.json").string();
    CHECK(says("document    " + channel + ", read when the log was made\n"));
    CHECK_FALSE(says("restores    from"));
    CHECK(run({"status", "--config", configuration()}) == 0);
    const std::string data_url = "file://" + (directory / "store/kiosk/1/image.zst").string();
    CHECK(says("restores    from " + data_url + "\n"));
    CHECK(run({"status", "--json", "--config", configuration()}) == 0);
    CHECK(json::parse(out)["data_url"] == data_url);
    CHECK(on_log("status", {"--json"}) == 0);
    json status = json::parse(out);
    CHECK(status["uuid"].get<std::string>().size() == 36);
    status.erase("uuid");
    // Of a plain file: which file it is, see FORMAT.md.
    CHECK(status["record"]["disk"]["wwid"].get<std::string>().starts_with("inode "));
    status["record"]["disk"]["wwid"] = "";
    const json expected = {{"log", log()},
                           {"size", golden.size()},
                           {"block_size", 4096},
                           {"blocks", 50},
                           {"marked_blocks", 2},
                           {"marked_bytes", 4096 + 512},  // the last block is clipped
                           {"untrusted_blocks", 0},
                           {"data_url", nullptr},
                           {"record",
                            {{"image", "kiosk"},
                             {"version", 1},
                             {"state", "golden"},
                             {"unknown", false},
                             {"version_floor", 1},
                             {"trial", nullptr},
                             {"rejected_version", nullptr},
                             {"staged_version", nullptr},
                             {"thaw", nullptr},
                             {"unrestored_boots", 0},
                             {"document", channel},
                             {"disk",
                              {{"partuuid", ""},
                               {"wwid", ""},
                               {"start_sector", 0},
                               {"size_sectors", blocks * block_bytes / 512}}}}}};
    CHECK(status == expected);
}

TEST_CASE_METHOD(Workplace, "the document in the record is cut to its room and has no credentials") {
    const std::string short_url = "file://" + (directory / "store/kiosk/stable.json").string();
    REQUIRE(run({"format", "--data", data(), "--log", log(), "--source", short_url + "?token=secret"}) == 0);
    CHECK(on_log("status", {"--json"}) == 0);
    CHECK(json::parse(out)["record"]["document"] == short_url);
    // A folder whose name holds more than the record does, in characters of two bytes.
    std::string name;
    for (int i = 0; i < 90; ++i)
        name += "\u00e9";
    fs::rename(directory / "store", directory / name);
    const std::string url = "file://" + (directory / name / "kiosk/stable.json").string();
    REQUIRE(run({"format", "--data", data(), "--log", log(), "--source", url + "?token=secret"}) == 0);
    CHECK(on_log("status", {"--json"}) == 0);
    CHECK_FALSE(says("secret"));
    const std::string document = json::parse(out)["record"]["document"];
    CHECK(document.size() == 159);
    CHECK(document.ends_with("..."));
    CHECK(url.starts_with(document.substr(0, 150)));
}

TEST_CASE_METHOD(Workplace, "an image in a file serves as a golden copy") {
    const std::string copy = directory / "golden.img";
    REQUIRE(on_volume("provision", {"--golden-copy", copy}) == 0);
    CHECK(is_golden());
    CHECK(says(" 0 fetched, 0 of the cache, "));
    REQUIRE(on_log("mark", {"7"}) == 0);
    overwrite(data(), 7 * 4096, "dirty");
    CHECK(on_volume("restore", {"--golden-copy", copy, "--json"}) == 0);
    CHECK(json::parse(out)["copied_blocks"] == 1);
    CHECK(is_golden());

    REQUIRE(on_log("mark", {"7"}) == 0);
    CHECK(on_volume("restore", {"--golden-copy", copy + ".gone"}) == 1);
    CHECK(says("golden copy: "));
}

TEST_CASE_METHOD(Workplace, "a cache is filled, shown and dropped") {
    const std::string cache = directory / "cache";
    write_file(cache, std::string(std::size_t{4} << 20, '\0'));
    REQUIRE(on_volume("provision", {"--cache", cache}) == 0);
    CHECK(run({"cache", "status", "--cache", cache}) == 0);
    CHECK(says(" chunks of "));
    CHECK(run({"cache", "status", "--cache", cache, "--json"}) == 0);
    CHECK(json::parse(out)["chunks"] > 0);

    fs::remove_all(directory / "store");
    REQUIRE(on_log("mark", {"7"}) == 0);
    overwrite(data(), 7 * 4096, "dirty");
    CHECK(on_volume("restore", {"--cache", cache, "--json"}) == 0);
    CHECK(json::parse(out)["cached_blocks"] == 1);
    CHECK(json::parse(out)["requests"] == 0);

    CHECK(run({"cache", "drop", "--cache", cache}) == 0);
    CHECK(run({"cache", "status", "--cache", cache, "--json"}) == 0);
    CHECK(json::parse(out)["chunks"] == 0);

    CHECK(run({"cache", "clean", "--cache", cache}) == 2);
    CHECK(run({"cache", "fill", "--cache", cache}) == 2);
    CHECK(run({"cache", "fill", "--config", configuration(), "--cache", cache, "--limit-rate", "1K"}) == 2);
    CHECK(says("--limit-rate must be 16K or more"));
    CHECK(run({"cache", "fill", "--config", configuration(), "--cache", cache}) == 7);  // the store is gone
    CHECK(run({"cache", "status"}) == 2);
    write_file(cache, std::string(std::size_t{4} << 20, 'x'));
    CHECK(run({"cache", "drop", "--cache", cache}) == 5);
    CHECK((read_file(cache) == std::string(std::size_t{4} << 20, 'x')));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "status of a log without a valid image record says so") {
    overwrite(log(), 8192, std::string(16384, 'x'));
    const std::size_t tail_offset = 65536 + 4096;  // a bitmap of one unit, then slot 1
    overwrite(log(), tail_offset, std::string(16384, 'x'));
    CHECK(on_log("status") == 0);
    CHECK(says("no image record is valid"));
    CHECK(on_log("status", {"--json"}) == 0);
    CHECK(json::parse(out)["record"].is_null());
    CHECK(on_volume("restore") == 5);
}

TEST_CASE_METHOD(ProvisionedWorkplace, "dirty lists ranges for people and for programs") {
    CHECK(on_log("dirty", {"--json"}) == 0);
    CHECK(json::parse(out)["ranges"] == json::array());
    REQUIRE(on_log("mark", {"3", "10-12", "49"}) == 0);
    CHECK(on_log("dirty") == 0);
    CHECK(out == "3\n10-12\n49\n");
    CHECK(on_log("dirty", {"--json"}) == 0);
    const json expected = {
        {"block_size", 4096}, {"blocks", 50}, {"marked_blocks", 5}, {"ranges", {{3, 3}, {10, 12}, {49, 49}}}};
    CHECK(json::parse(out) == expected);
}

TEST_CASE_METHOD(ProvisionedWorkplace, "mark takes only ranges of the volume, all or none") {
    for (const char* wrong : {"50", "48-50", "5-4", "", "-3", "3-", "x", "3-4-5", "+3", " 3"}) {
        CAPTURE(wrong);
        CHECK(on_log("mark", {"1", "--", wrong}) == 2);
    }
    CHECK(on_log("dirty") == 0);
    CHECK(out.empty());
}

TEST_CASE_METHOD(Workplace, "commands on a log need one") {
    for (const char* command : {"status", "dirty"}) {
        CHECK(on_log(command) == 1);
        CHECK(says("there is no log on " + log()));
    }
    CHECK(on_log("mark", {"1"}) == 1);
}

TEST_CASE_METHOD(Workplace, "map refuses plain files and half done volumes") {
    const std::vector<std::string> map{"map", "kiosk", "--data", data(), "--log", log()};
    CHECK(run(map) == 5);
    CHECK(says("there is no log"));
    REQUIRE(on_volume("format") == 0);
    CHECK(run(map) == 5);
    CHECK(says("provisioning"));
    REQUIRE(on_volume("provision") == 0);
    CHECK(run(map) == 2);
    CHECK(says("is not a block device"));
}

TEST_CASE_METHOD(Workplace, "a boot reports what it did, in a file for root alone") {
    std::filesystem::rename(directory / "store", directory / "elsewhere");
    CHECK(boot({"--no-network"}) == 4);
    std::filesystem::rename(directory / "elsewhere", directory / "store");
    CHECK(report()["outcome"] == "failed");
    CHECK(report()["exit_code"] == 4);
    CHECK(boot() == 3);
    CHECK(report()["outcome"] == "provisioned");
    CHECK(report()["marked_blocks"] == blocks);
    CHECK(is_golden());
    CHECK(boot({"--no-network"}) == 0);
    CHECK(report()["outcome"] == "clean");
    CHECK(report()["requests"] == 0);
    REQUIRE(on_log("mark", {"7"}) == 0);
    CHECK(boot() == 3);
    CHECK(report()["outcome"] == "restored");
    CHECK(report()["decisions"].size() > 0);
    struct stat status {};
    REQUIRE(stat((directory / "run/report.json").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
}

TEST_CASE_METHOD(Workplace, "without a network a boot asks those of its sources that are files") {
    const std::string file = "file://" + (directory / "store/kiosk/stable.json").string();
    more_configuration["source"] = {"http://127.0.0.1:1/kiosk/stable.json", file};
    // Which version there is to be the first one says.
    CHECK(boot({"--no-network"}) == 4);
    more_configuration["source"] = {file, "http://127.0.0.1:1/kiosk/stable.json"};
    more_configuration["update"] = "boot";
    CHECK(boot({"--no-network"}) == 3);
    INFO(err);
    CHECK(boot({"--no-network"}) == 0);
    more_configuration["source"] = {"http://127.0.0.1:1/kiosk/stable.json", file};
    CHECK(boot({"--no-network"}) == 4);
    CHECK(says("the network is needed to ask for a newer version"));
    more_configuration["update"] = "never";
    REQUIRE(on_log("mark", {"7"}) == 0);
    boot({"--no-network"});
    INFO(err);
    CHECK(is_golden());
    CHECK(says("the network is needed to ask http://127.0.0.1:1/kiosk/1/"));
}

TEST_CASE_METHOD(Workplace,
                 "a wrong configuration is a usage error that names file and key, and is reported") {
    write_file(directory / "regild.json", R"({"data": "a", "dta": "b"})");
    CHECK(run({"boot", "--config", directory / "regild.json", "--report", directory / "run/report.json"}) ==
          2);
    CHECK(says("configuration " + (directory / "regild.json").string()));
    CHECK(report()["exit_code"] == 2);
    write_file(directory / "regild.json", std::string(70000, ' '));
    CHECK(run({"boot", "--config", directory / "regild.json", "--report", directory / "run/report.json"}) ==
          2);
}

TEST_CASE_METHOD(Workplace, "status says what is to be done, not golden beside marks") {
    REQUIRE(on_volume("format") == 0);
    CHECK(on_log("status") == 0);
    CHECK(says("state       provisioning, 50 blocks to restore\n"));
    on_volume("provision");
    CHECK(on_log("status") == 0);
    CHECK(says("state       golden\n"));
    REQUIRE(on_log("mark", {"7"}) == 0);
    CHECK(on_log("status") == 0);
    CHECK(says("state       provisioned, 1 block to restore\n"));
}

TEST_CASE_METHOD(Workplace, "provision, restore and verify tell scripts what they did") {
    CHECK(on_volume("provision", {"--json"}) == 0);
    json done = json::parse(out);
    CHECK(done["outcome"] == "provisioned");
    CHECK(done["image"] == "kiosk");
    CHECK(done["blocks"] == 50);
    CHECK(done["marked_blocks"] == 50);
    CHECK(done["fetched_blocks"].get<int>() + done["zeroed_blocks"].get<int>() == 50);
    CHECK(done["bytes_fetched"] > 0);

    CHECK(on_volume("restore", {"--json"}) == 0);
    done = json::parse(out);
    CHECK(done["outcome"] == "clean");
    CHECK(done["requests"] == 0);

    REQUIRE(on_log("mark", {"7"}) == 0);
    CHECK(on_volume("restore", {"--json"}) == 0);
    CHECK(json::parse(out)["outcome"] == "restored");

    overwrite(data(), 3 * block_bytes, "x");
    CHECK(on_volume("verify", {"--json"}) == 6);
    done = json::parse(out);
    CHECK(done["outcome"] == "dirty");
    CHECK(done["newly_marked_blocks"] == 1);
    REQUIRE(on_volume("restore") == 0);
    CHECK(on_volume("verify", {"--json"}) == 0);
    CHECK(json::parse(out)["outcome"] == "golden");
}

TEST_CASE_METHOD(Workplace, "the configuration of the machine says what options leave out") {
    const std::string file = configuration();
    CHECK(run({"provision", "--config", file}) == 0);
    CHECK(is_golden());
    CHECK(run({"mark", "--config", file, "3"}) == 0);
    CHECK(run({"dirty", "--config", file}) == 0);
    CHECK(out == "3\n");
    CHECK(run({"status", "--config", file}) == 0);
    CHECK(run({"restore", "--config", file}) == 0);
    CHECK(run({"verify", "--config", file}) == 0);
    // A plain file cannot be mapped; that it says so shows that the name was found.
    CHECK(run({"map", "--config", file}) == 2);
    CHECK(says("is not a block device"));
    CHECK(run({"status", "--config", file, "--log", data()}) == 1);
    CHECK(says("there is no log on " + data()));
    CHECK(run({"status", "--config", directory / "missing.json"}) == 2);
    CHECK(says("missing.json"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "another source by the kernel's command line counts only with keys") {
    const std::string other = "file://" + (directory / "other/kiosk/stable.json").string();
    std::filesystem::rename(directory / "store", directory / "other");
    REQUIRE(on_log("mark", {"3"}) == 0);
    CHECK(boot({"--source", other}) != 0);
    CHECK(says("regild.source is IGNORED: the configuration names no keys"));

    const codec::PrivateKey key = codec::PrivateKey::generate();
    write_file(directory / "keys.pem", key.public_pem());
    forge([&](format::ImageRecord& record) { record.signature = key.sign(record.manifest); });
    more_configuration = {{"keys", directory / "keys.pem"}};
    CHECK(boot({"--source", "nowhere"}) != 0);
    CHECK(says("regild.source is IGNORED: "));
    CHECK(boot({"--source", other}) == 3);
    CHECK(says("regild.source: " + other));
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a report that cannot be written does not stop the boot") {
    CHECK(boot({"--no-network"}) == 0);
    CHECK(run({"boot", "--config", directory / "regild.json", "--no-map", "--report",
               directory / "regild.json" / "report.json"}) == 0);
    CHECK(says("no report:"));
}

TEST_CASE_METHOD(ProvisionedWorkplace, "no message and no report has the credentials of the source") {
    REQUIRE(on_log("mark", {"7"}) == 0);
    const std::string url = "http://user:secret@127.0.0.1:1/kiosk/stable.json?token=secret";
    write_file(
        directory / "regild.json",
        json({{"data", data()}, {"log", log()}, {"source", url}, {"name", "kiosk"}, {"offline", "halt"}})
            .dump());
    stop.request();
    run({"boot", "--config", directory / "regild.json", "--no-map", "--report", directory / "r.json"});
    CHECK_FALSE(says("secret"));
    CHECK(read_file(directory / "r.json").find("secret") == std::string::npos);
    write_file(log(), std::string(std::size_t{1} << 20, '\0'));
    CHECK(run({"restore", "--data", data(), "--log", log(), "--source", url}) == 5);
    CHECK_FALSE(says("secret"));
}

TEST_CASE_METHOD(ProvisionedWorkplace,
                 "a restore that needs more than --max-fetch ends with 5 and says how to go on") {
    CHECK(on_log("mark", {"3"}) == 0);
    overwrite(data(), 3 * block_bytes, "session");
    const std::string before = read_file(data());
    test::HttpServer server(
        [&](const test::HttpRequest& request) { return test::file_content(directory / "store", request); });
    source_url = server.url("/kiosk/stable.json");
    CHECK(on_volume("restore", {"--max-fetch", "10"}) == 5);
    CHECK(says("more than 10 B would have to be fetched"));
    CHECK(says("allow more with --max-fetch"));
    CHECK(read_file(data()) == before);
    CHECK(on_volume("restore", {"--max-fetch", "much"}) == 2);
    CHECK(on_volume("provision", {"--max-fetch", "1M"}) == 2);
    // An update where there is none is a restore.
    json limited = json::parse(read_file(configuration()));
    limited["source"] = source_url;
    limited["max_fetch"] = "10";
    write_file(directory / "limited.json", limited.dump());
    CHECK(run({"update", "--config", directory / "limited.json"}) == 5);
    CHECK(read_file(data()) == before);
    CHECK(on_volume("restore", {"--max-fetch", "1M"}) == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace, "a boot without a network is not kept from what it has at hand") {
    CHECK(on_log("mark", {"3"}) == 0);
    overwrite(data(), 3 * block_bytes, "session");
    more_configuration = {{"source", {"http://127.0.0.1:9/kiosk/stable.json", source_url}},
                          {"max_fetch", "10"}};
    CHECK(boot({"--no-network"}) == 3);
    CHECK(is_golden());
}

TEST_CASE_METHOD(ProvisionedWorkplace,
                 "the certificate of the command line has not the key of the configuration") {
    write_file(directory / "key.pem", "x");
    fs::permissions(directory / "key.pem", fs::perms::owner_read);
    json with_tls = json::parse(read_file(configuration()));
    with_tls["tls_cert"] = with_tls["tls_key"] = (directory / "key.pem").string();
    write_file(directory / "regild.json", with_tls.dump());
    write_file(directory / "other.pem", "x");
    fs::permissions(directory / "other.pem", fs::perms::others_read, fs::perm_options::add);
    CHECK(run({"restore", "--config", directory / "regild.json"}) == 0);
    CHECK(run({"restore", "--config", directory / "regild.json", "--tls-cert", directory / "other.pem"}) ==
          2);
    CHECK(says("tls_cert: every user may read or write"));
}

}  // namespace regild::cli
