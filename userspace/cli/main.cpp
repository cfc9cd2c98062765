// SPDX-License-Identifier: GPL-2.0-or-later
// regild: keeps a disk golden.
#include <malloc.h>

#include <exception>
#include <iostream>

#include "cli/run.hpp"

int main(int argc, char** argv) {
    // glibc raises this threshold each time a large buffer is freed, and then keeps such memory for ever.
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    try {
        return regild::cli::run_cli(argc, argv);
    } catch (const std::exception& exception) {
        std::cerr << "regild: unexpected: " << exception.what() << std::endl;
        return static_cast<int>(regild::cli::ExitCode::failed);
    }
}
