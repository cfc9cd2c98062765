// SPDX-License-Identifier: GPL-2.0-or-later
// Runs command lines as a user does, with what they print kept.
#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "cli/run.hpp"

namespace regild::test {

struct CommandLine {
    // The exit code; `out` and `err` hold what this command printed.
    int run(const std::vector<std::string>& words) {
        std::ostringstream out_stream;
        std::ostringstream err_stream;
        cli::Environment environment{out_stream, err_stream, stop};
        environment.run = run_folder;
        const cli::ExitCode code = cli::run_words(words, environment);
        out = out_stream.str();
        err = err_stream.str();
        return static_cast<int>(code);
    }
    std::filesystem::path run_folder = "/nonexistent";
    StopFlag stop;
    std::string out;
    std::string err;
};

}  // namespace regild::test
