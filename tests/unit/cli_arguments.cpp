// SPDX-License-Identifier: GPL-2.0-or-later
// The command line: help, versions, and usage errors that name what is wrong.
#include <catch2/catch.hpp>

#include "cli_session.hpp"

namespace regild::cli {
namespace {

const std::vector<std::string> command_names{"publish", "format", "provision", "restore", "verify", "status",
                                             "dirty",   "mark",   "map",       "unmap",   "boot"};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("each command shows its help") {
    test::CommandLine line;
    REQUIRE(line.run({"--help"}) == 0);
    for (const std::string& name : command_names)
        CHECK(line.out.find("  " + name + " ") != std::string::npos);
    for (const std::string& name : command_names) {
        CAPTURE(name);
        CHECK(line.run({name, "--help"}) == 0);
        CHECK(line.out.starts_with("Usage: regild " + name));
        CHECK(line.err.empty());
    }
}

TEST_CASE("help with a command's name is the command's --help") {
    test::CommandLine line;
    REQUIRE(line.run({"restore", "--help"}) == 0);
    const std::string help = line.out;
    CHECK(line.run({"help", "restore"}) == 0);
    CHECK(line.out == help);
    CHECK(line.run({"help"}) == 0);
    CHECK(line.out.starts_with("Usage: regild COMMAND"));
    CHECK(line.run({"help", "restoer"}) == 2);
    CHECK(line.err.find("did you mean restore?") != std::string::npos);
}

TEST_CASE("what may be a secret is not repeated in a usage error") {
    const auto words = GENERATE(values<Words>({{"status", "--log", "a", "--surce=https://user:hunter2@host/"},
                                               {"status", "--log", "a", "--hunter2", "x"},
                                               {"status", "--log", "a", "https://user:hunter2@host/"},
                                               {"status", "--log", "a", "-phunter2"},
                                               {"https://user:hunter2@host/"},
                                               {"help", "user:hunter2"}}));
    CAPTURE(words);
    test::CommandLine line;
    CHECK(line.run(words) == 2);
    CHECK(line.err.find("hunter2") == std::string::npos);
    CHECK(line.err.find("regild: ") == 0);
}

TEST_CASE("each command shows the version but publish, whose --version is the image's") {
    test::CommandLine line;
    CHECK(line.run({"--version"}) == 0);
    const std::string version = line.out;
    CHECK(version == "regild " REGILD_VERSION "\n");
    for (const std::string& name : command_names) {
        CAPTURE(name);
        const int code = line.run({name, "--version"});
        CHECK(code == (name == "publish" ? 2 : 0));
        CHECK(line.out == (name == "publish" ? "" : version));
    }
}

TEST_CASE("a usage error names what is wrong and says how to get help") {
    struct Case {
        Words words;
        std::string says;
    };
    const auto [words, says] = GENERATE(values<Case>({
        {{}, "no command is given; see 'regild --help'"},
        {{"restoer"}, "unknown command 'restoer'; did you mean restore?; see 'regild --help'"},
        {{"--jsno"}, "unknown option '--jsno'; see 'regild --help'"},
        {{"status", "--log", "a", "--jsno"},
         "status: unknown option '--jsno'; did you mean --json?; see 'regild status --help'"},
        {{"status", "--log", "a", "-j"}, "status: unknown option '-j'; see"},
        {{"status", "--log"}, "status: option '--log' needs a value; see"},
        {{"status", "--log", "a", "--log", "b"}, "status: --log is given twice; see"},
        {{"status", "--json"},
         "status: --log DEV is missing, and no --config FILE is there to take it from; see"},
        {{"status", "--log", "a", "b"}, "status: 1 argument beside options, but it takes none; see"},
        {{"unmap"}, "unmap: NAME is missing; see"},
        {{"unmap", "a", "b"}, "unmap: 2 arguments beside options, but it takes one, NAME; see"},
        {{"list", "a", "b", "c"}, "list: 3 arguments beside options, but it takes STORE [IMAGE]; see"},
        {{"unmap", "a/b"}, "'a/b' cannot be the name of a mapped device"},
        {{"publish", "i", "--store", "s", "--image", "n", "--version", "one"}, "--version: 'one' is not a"},
        {{"publish", "i", "--store", "s", "--image", "n", "--version", "1x"}, "--version: '1x' is not a"},
        {{"publish", "i", "--store", "s", "--image", "n", "--version", "1", "--block-size", "3K"},
         "--block-size"},
        {{"publish", "i", "--store", "s", "--image", "n", "--version", "1", "--block-size", "big"},
         "--block-size"},
        {{"boot", "--config", "/nonexistent/c.json", "--report", "/dev/null/r.json"},
         "configuration: cannot open /nonexistent/c.json"},
    }));
    CAPTURE(words);
    test::CommandLine line;
    CHECK(line.run(words) == 2);
    CHECK(line.err.find("regild: " + says) != std::string::npos);
    CHECK(line.out.empty());
}

TEST_CASE("options may stand after operands and in one word with their values") {
    test::CommandLine line;
    CHECK(line.run({"mark", "1-2", "--log=/nonexistent/log"}) == 1);
    CHECK(line.err.find("/nonexistent/log") != std::string::npos);
}

TEST_CASE("output that cannot be written is a failure") {
    std::ostringstream out;
    out.setstate(std::ios::badbit);
    std::ostringstream err;
    StopFlag stop;
    CHECK(run_words({"--help"}, {out, err, stop}) == ExitCode::failed);
    CHECK(err.str() == "regild: cannot write to the standard output\n");
}

}  // namespace regild::cli
