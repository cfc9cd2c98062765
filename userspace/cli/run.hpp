// SPDX-License-Identifier: GPL-2.0-or-later
// The command line from its words to an exit code.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace regild::cli {

// `words` without the program's name. Errors are printed to environment.err.
ExitCode run_words(const std::vector<std::string>& words, const Environment& environment);

// With the process's own streams; SIGINT and SIGTERM ask to stop, a second one ends at once.
int run_cli(int argc, char** argv);

}  // namespace regild::cli
