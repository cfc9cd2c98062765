// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/exit_code.hpp"

namespace regild::cli {

ExitCode exit_code_of(Failure failure) {
    switch (failure) {
        case Failure::failed:
        case Failure::disk:
            return ExitCode::failed;
        case Failure::source:
            return ExitCode::source;
        case Failure::usage:
            return ExitCode::usage;
        case Failure::network:
            return ExitCode::network;
        case Failure::refused:
        case Failure::busy:
            return ExitCode::refused;
        case Failure::reboot:
            return ExitCode::reboot;
        case Failure::interrupted:
            return ExitCode::interrupted;
    }
    return ExitCode::failed;
}

}  // namespace regild::cli
