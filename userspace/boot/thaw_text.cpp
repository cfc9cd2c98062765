// SPDX-License-Identifier: GPL-2.0-or-later
#include "boot/thaw_text.hpp"

#include "volume/thaw.hpp"

namespace regild::boot {

std::string thaw_text(Thawing decided, const format::Thaw& thaw, Blocks marked) {
    const std::optional<format::Thaw> left = volume::after_boot(thaw);
    switch (decided) {
        case Thawing::none:
            break;
        case Thawing::kept:
            return "THAWED: starting WITHOUT restoring; " + std::to_string(marked.count()) +
                   " marked blocks stay as sessions left them, writes are marked on; all of it is kept " +
                   (left ? volume::how_long(*left) : "for the last time: the next boot undoes it");
        case Thawing::over:
            return "the thaw " + volume::how_long(thaw) + " is over: what sessions wrote is undone";
        case Thawing::not_allowed:
            return "the thaw in the log is IGNORED: the configuration does not allow it (\"allow_thaw\")";
        case Thawing::not_complete:
            return "the thaw in the log is IGNORED this time: the volume is not completely restored";
    }
    return "";
}

}  // namespace regild::boot
