// SPDX-License-Identifier: GPL-2.0-or-later
// regild thaw and freeze on plain files, and what a login says.
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "boot_kiosk.hpp"
#include "cli/banner.hpp"
#include "cli_session.hpp"

namespace regild::cli {
namespace {

using nlohmann::json;
using test::read_file;

constexpr const char* frozen = "This machine is frozen: what is changed on it is undone at the next boot.\n";

// A provisioned volume, and a configuration that allows to thaw it.
class Place : public test::ProvisionedKiosk {
  public:
    Place() {
        write_configuration(true);
        line.run_folder = directory / "run";
    }
    void write_configuration(bool allow_thaw) {
        test::write_file(directory / "regild.json", json({{"data", data()},
                                                          {"log", log()},
                                                          {"source", configuration.source},
                                                          {"name", "kiosk"},
                                                          {"allow_thaw", allow_thaw}})
                                                        .dump());
    }
    int run(const std::string& command, const std::vector<std::string>& more = {}) {
        std::vector<std::string> words{command, "--config", directory / "regild.json"};
        words.insert(words.end(), more.begin(), more.end());
        return line.run(words);
    }
    bool says(const std::string& text) { return (line.out + line.err).find(text) != std::string::npos; }
    json thaw_of_status() {
        REQUIRE(run("status", {"--json"}) == 0);
        return json::parse(line.out)["record"]["thaw"];
    }
    std::string banner() { return read_file(line.run_folder / "motd.d" / "regild"); }
    template <class Change>
    void forge(Change change) {
        with_log([&](log::WriteLog& log) {
            format::ImageRecord record = *log.record();
            change(record);
            REQUIRE(log.write_record(record).ok());
        });
    }

    test::CommandLine line;
};

}  // namespace

TEST_CASE_METHOD(Place, "thaw keeps what is written, freeze has it undone, and both say how much that is") {
    dirty(3, 2);
    CHECK(thaw_of_status() == nullptr);
    CHECK(run("status") == 0);
    CHECK(says("sessions    frozen: what they write is undone at the next boot\n"));
    CHECK(run("thaw", {"--boots", "3"}) == 0);
    CHECK(line.out ==
          "image kiosk version 1: THAWED; 2 blocks (8 KiB) that sessions wrote are kept for 3 more boots, "
          "and so is "
          "what they write from now on\n");
    CHECK(thaw_of_status() == json{{"boots_left", 3}, {"until", nullptr}});
    CHECK(run("status") == 0);
    CHECK(
        says("sessions    THAWED: what they write is kept for 3 more boots, where the boot's configuration "
             "allows it\n"));
    CHECK(run("thaw", {"--until", "2099-12-01T18:00:00+01:00"}) == 0);
    CHECK(says("kept until 2099-12-01T17:00:00Z"));
    CHECK(thaw_of_status() == json{{"boots_left", nullptr}, {"until", "2099-12-01T17:00:00Z"}});
    CHECK(run("thaw") == 0);
    CHECK(says("kept until 'regild freeze'"));
    CHECK(thaw_of_status() == json{{"boots_left", nullptr}, {"until", nullptr}});
    CHECK(run("freeze") == 0);
    CHECK(line.out == "image kiosk version 1: frozen; 2 blocks (8 KiB) will be undone at the next boot\n");
    CHECK(thaw_of_status() == nullptr);
    CHECK(run("freeze") == 0);
    CHECK(says("was not thawed; 2 blocks (8 KiB) will be undone at the next boot\n"));
}

TEST_CASE_METHOD(Place, "thaw is refused where the configuration does not allow it, freeze is not") {
    CHECK(run("thaw") == 0);
    write_configuration(false);
    CHECK(run("thaw", {"--boots", "3"}) == 5);
    CHECK(says("\"allow_thaw\": true"));
    CHECK(thaw_of_status() == json{{"boots_left", nullptr}, {"until", nullptr}});
    CHECK(run("freeze") == 0);
    CHECK(thaw_of_status() == nullptr);
    CHECK(line.run({"thaw", "--log", log()}) == 2);
}

TEST_CASE_METHOD(Place, "thaw takes 1 to 1000 boots or a time to come, and not both") {
    const std::vector<std::string> wrong[] = {{"--boots", "0"},   {"--boots", "1001"},
                                              {"--boots", "x"},   {"--until", "x"},
                                              {"--until", "+0h"}, {"--until", "2001-12-01T18:00:00Z"},
                                              {"--boots", "-1"},  {"--boots", "1", "--until", "+1h"}};
    for (const std::vector<std::string>& words : wrong) {
        CAPTURE(words);
        CHECK(run("thaw", words) == 2);
    }
    CHECK(thaw_of_status() == nullptr);
    CHECK(run("thaw", {"--boots", "1000"}) == 0);
    CHECK(run("thaw", {"--until", "+1h"}) == 0);
}

TEST_CASE_METHOD(Place, "a volume that is half restored or on trial is not thawed") {
    forge([](format::ImageRecord& record) { record.state = format::VolumeState::restoring; });
    CHECK(run("thaw") == 5);
    CHECK(says("half done (state restoring)"));
    forge([](format::ImageRecord& record) {
        record.state = format::VolumeState::golden;
        record.before = {record.manifest, ""};
        record.trial_boots = 2;
    });
    CHECK(run("thaw") == 5);
    CHECK(says("confirm it with 'regild mark-good' first"));
    CHECK(thaw_of_status() == nullptr);
    CHECK(run("mark-good") == 0);
    CHECK(run("thaw") == 0);
}

TEST_CASE_METHOD(Place, "a restore or an update by hand does not undo what is thawed") {
    CHECK(run("thaw") == 0);
    CHECK(run("restore") == 0);  // nothing is marked
    dirty(3);
    const std::string before = read_file(data());
    publish_with_changes(2, {9});
    for (const char* command : {"restore", "update"}) {
        CHECK(run(command) == 5);
        CHECK(says("the volume is thawed until 'regild freeze'"));
        CHECK(says("run 'regild freeze' first"));
    }
    CHECK(read_file(data()) == before);
    CHECK(marked() == Blocks(1));
    CHECK(run("freeze") == 0);
    CHECK(run("update") == 0);
    CHECK(is_golden());
}

TEST_CASE_METHOD(Place, "what a login says follows thaw and freeze, where a boot has written it") {
    CHECK(run("thaw") == 0);
    CHECK_FALSE(std::filesystem::exists(line.run_folder));
    REQUIRE(write_banner(line.run_folder, banner_text(std::nullopt)).ok());
    struct stat stat {};
    REQUIRE(::stat((line.run_folder / "motd.d" / "regild").c_str(), &stat) == 0);
    CHECK((stat.st_mode & 0777) == 0644);
    CHECK(banner() == frozen);
    CHECK(run("thaw", {"--boots", "1"}) == 0);
    CHECK(banner() ==
          "THAWED: what is changed on this machine is kept for 1 more boot; the first boot after that undoes "
          "it.\n");
    CHECK(run("thaw") == 0);
    CHECK(banner() == "THAWED: what is changed on this machine is kept until 'regild freeze'.\n");
    CHECK(run("freeze") == 0);
    CHECK(banner() == frozen);
}

TEST_CASE("what a login says after a boot") {
    boot::BootReport report;
    report.outcome = boot::BootOutcome::restored;
    CHECK(banner_text(report) == frozen);
    report.outcome = boot::BootOutcome::thawed;
    CHECK(banner_text(report) ==
          "THAWED for the last time: the next boot undoes all that was changed on this machine.\n");
    report.thaw = format::Thaw{.until = 1800000000};
    CHECK(banner_text(report) ==
          "THAWED: what is changed on this machine is kept until 2027-01-15T08:00:00Z; the first boot after "
          "that undoes it.\n");
}

}  // namespace regild::cli
