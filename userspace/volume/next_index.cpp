// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/next_index.hpp"

namespace regild::volume {

bool has_next_index(const Unbrought& why, const store::Source& source, net::Fetcher& fetcher,
                    Observer& observer) {
    const bool may_be =
        why.error.kind == Failure::source || (why.error.kind == Failure::network && why.found_wrong);
    if (!may_be || !fetcher.refute(source.index_url)) return false;
    observer.event(why.error.message + ": asking the next mirror where the frames are");
    return true;
}

}  // namespace regild::volume
