// SPDX-License-Identifier: GPL-2.0-or-later
// The exit codes that regild(8) documents: scripts and the initramfs decide by them.
#pragma once

#include "base/result.hpp"

namespace regild::cli {

enum class ExitCode {
    clean = 0,       // nothing was to be done, or what was asked is done
    failed = 1,      // an I/O error of a disk or log, and what is none of the others
    usage = 2,       // wrong arguments or configuration
    restored = 3,    // of boot: blocks were written, and now all are golden
    network = 4,     // the network is needed and does not answer, or may not be used
    refused = 5,     // a safety rule forbids it
    not_golden = 6,  // verify found blocks that are not golden, and marked them; or diff did, of a disk
    source = 7,      // the source answers, but what it serves is no good
    reboot = 8,      // of boot: no volume can be started, and the owner wants the machine to start anew
    interrupted = 130,
    reader_left = 141,  // of a pipe: what a shell says of a program that SIGPIPE ended
};

ExitCode exit_code_of(Failure failure);

}  // namespace regild::cli
