// SPDX-License-Identifier: GPL-2.0-or-later
// What a boot tells: console, kernel log, report.
#include "cli/boot_log.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "store/cached_blocks.hpp"
#include "store/golden_copy.hpp"
#include "temporary_directory.hpp"

namespace regild::cli {

TEST_CASE("a decision goes to the console, to the kernel's log and into the report") {
    const test::TemporaryDirectory directory;
    const std::string kernel_log = directory / "kmsg";
    std::ofstream(kernel_log).close();
    std::ostringstream err;
    BootLog log(err, kernel_log.c_str());
    log.event("clean: no block is marked");
    log.failure("two\nlines");
    log.event(std::string(2000, 'x'));

    CHECK(err.str() == "regild: clean: no block is marked\nregild: " + std::string(2000, 'x') + "\n");
    CHECK(log.decisions() == std::vector<std::string>{"clean: no block is marked", std::string(2000, 'x')});
    std::ifstream file(kernel_log);
    std::string line;
    REQUIRE(std::getline(file, line));
    CHECK(line == "<7>regild: clean: no block is marked");
    REQUIRE(std::getline(file, line));
    CHECK(line == "<7>regild: two?lines");
    REQUIRE(std::getline(file, line));
    CHECK(line.size() < 1024);
    CHECK_FALSE(std::getline(file, line));
}

TEST_CASE("a kernel log that cannot be opened is no error") {
    std::ostringstream err;
    BootLog log(err, "/nonexistent/kmsg");
    log.event("clean");
    CHECK(err.str() == "regild: clean\n");
}

TEST_CASE("the report of a restore has every figure") {
    BootSummary summary;
    summary.exit_code = ExitCode::restored;
    summary.seconds = 1.23456;
    summary.decisions = {"restoring"};
    summary.report = boot::BootReport{
        .outcome = boot::BootOutcome::restored,
        .image = "kiosk",
        .version = 3,
        .document = "",
        .block_size = *BlockSize::from_bytes(4096),
        .blocks = Blocks(100),
        .restore = {.marked = Blocks(13),
                    .fetched = Blocks(5),
                    .nearby = {{&store::cached_blocks, {.blocks = Blocks(1), .frames = Bytes(1234)}},
                               {&store::golden_copy, {.blocks = Blocks(2), .frames = Bytes(2345)}}},
                    .zeroed = Blocks(3),
                    .already_right = Blocks(2),
                    .read_back = Blocks(8),
                    .rewritten = Blocks(1),
                    .bytes_fetched = Bytes(24576),
                    .requests = 4},
        .mapped = "/dev/mapper/kiosk"};
    nlohmann::json expected = {{"format", 1},
                               {"outcome", "restored"},
                               {"exit_code", 3},
                               {"error", nullptr},
                               {"seconds", 1.235},
                               {"mapped", "/dev/mapper/kiosk"},
                               {"image", "kiosk"},
                               {"version", 3},
                               {"document", nullptr},
                               {"block_size", 4096},
                               {"blocks", 100},
                               {"marked_blocks", 13},
                               {"marked_bytes", 53248},
                               {"fetched_blocks", 5},
                               {"cached_blocks", 1},
                               {"copied_blocks", 2},
                               {"zeroed_blocks", 3},
                               {"read_back_blocks", 8},
                               {"rewritten_blocks", 1},
                               {"already_right_blocks", 2},
                               {"bytes_fetched", 24576},
                               {"requests", 4},
                               {"decisions", {"restoring"}}};
    expected["bytes_cached"] = 1234;
    CHECK(nlohmann::json::parse(to_json(summary)) == expected);

    summary.report->outcome = boot::BootOutcome::thawed;
    summary.report->thaw = format::Thaw{.boots = 3};
    const nlohmann::json thawed = nlohmann::json::parse(to_json(summary));
    CHECK(thawed["outcome"] == "thawed");
    CHECK(thawed["thaw"] == nlohmann::json{{"boots_left", 3}, {"until", nullptr}});
}

TEST_CASE("a run that had no network leaves to the next one what it has done") {
    BootSummary summary;
    summary.exit_code = ExitCode::network;
    summary.error = "no network";
    summary.decisions = {"going back", "frozen"};
    summary.course = {7, true};
    const Result<EarlierRun> run = read_earlier_run(to_json(summary));
    REQUIRE(run.ok());
    CHECK(run->course.version_before == 7);
    CHECK(run->course.compares_all);
    CHECK(run->decisions == summary.decisions);

    summary.course = boot::Course();
    CHECK(read_earlier_run(to_json(summary))->course.version_before == 0);
    CHECK_FALSE(read_earlier_run(to_json(summary))->course.compares_all);
    SECTION("but one that ended otherwise nothing") {
        summary.exit_code = ExitCode::failed;
        CHECK_FALSE(read_earlier_run(to_json(summary)).ok());
    }
    SECTION("nor one that had a network") {
        summary.course = std::nullopt;
        CHECK_FALSE(read_earlier_run(to_json(summary)).ok());
    }
    SECTION("and what is no report nothing") {
        for (const char* text : {"", "{}", "[1]", R"({"format": 1, "exit_code": 4, "decisions": 5})"})
            CHECK_FALSE(read_earlier_run(text).ok());
    }
}

TEST_CASE("the report of a failure has the error and the exit code") {
    BootSummary summary;
    summary.exit_code = ExitCode::network;
    summary.error = "no answer, \xff not UTF-8";
    const nlohmann::json report = nlohmann::json::parse(to_json(summary));
    CHECK(report["outcome"] == "failed");
    CHECK(report["exit_code"] == 4);
    CHECK(report["error"] == "no answer, \xef\xbf\xbd not UTF-8");
    CHECK_FALSE(report.contains("mapped"));
}

}  // namespace regild::cli
