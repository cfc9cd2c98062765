// SPDX-License-Identifier: GPL-2.0-or-later
// regild: keeps a disk golden.
#include <exception>
#include <iostream>

#include "cli/run.hpp"

int main(int argc, char** argv) {
    try {
        return regild::cli::run_cli(argc, argv);
    } catch (const std::exception& exception) {
        std::cerr << "regild: unexpected: " << exception.what() << std::endl;
        return static_cast<int>(regild::cli::ExitCode::failed);
    }
}
