// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/waited_cache.hpp"

namespace regild::cli {
namespace {

constexpr std::chrono::milliseconds between_looks{200};

}  // namespace

// While a process takes a block device, or gives it back, that may look mounted for a moment: what is refused
// is tried once more.
Result<volume::OpenCache> wait_for_cache(const std::string& path_or_tag, Observer& observer,
                                         const boot::Wait& wait) {
    bool said = false;
    bool was_refused = false;
    for (;;) {
        Result<volume::OpenCache> opened = volume::open_cache(path_or_tag);
        const bool is_busy = !opened && opened.error().kind == Failure::busy;
        const bool is_refused = !opened && opened.error().kind == Failure::refused;
        if (!is_busy && (!is_refused || was_refused)) return opened;
        was_refused = is_refused;
        if (is_busy && !said) {
            observer.event("waiting for the cache, which another regild process uses");
            said = true;
        }
        if (Result<void> waited = wait(between_looks); !waited) return waited.error();
    }
}

}  // namespace regild::cli
