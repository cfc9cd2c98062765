// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/next_index.hpp"

namespace regild::volume {

bool has_next_index(const Result<void>& brought, const store::Source& source, net::Fetcher& fetcher,
                    Observer& observer) {
    if (brought || brought.error().kind != Failure::source || !fetcher.refute(source.index_url)) return false;
    observer.event(brought.error().message + ": asking the next mirror where the frames are");
    return true;
}

}  // namespace regild::volume
