// SPDX-License-Identifier: GPL-2.0-or-later
// An index is not verified: a mirror that has it wrong makes image.zst look wrong at every mirror.
#pragma once

#include "base/observer.hpp"
#include "net/fetcher.hpp"
#include "store/source.hpp"

namespace regild::volume {

// What bringing blocks failed by.
struct Unbrought {
    const Error& error;
    bool found_wrong = false;  // a mirror gave what is wrong, and none what is right
};
// Whether the index may be to blame for it, and there is another one to try, which is what a new FrameLocator
// asks. It need not be the fault of all mirrors: one of them may be down.
bool has_next_index(const Unbrought& why, const store::Source& source, net::Fetcher& fetcher,
                    Observer& observer);

}  // namespace regild::volume
