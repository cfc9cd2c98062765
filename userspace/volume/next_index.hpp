// SPDX-License-Identifier: GPL-2.0-or-later
// An index is not verified: a mirror that has it wrong makes image.zst look wrong at every mirror.
#pragma once

#include "base/observer.hpp"
#include "net/fetcher.hpp"
#include "store/source.hpp"

namespace regild::volume {

// Whether `brought` failed by what the mirrors gave, which their index may be to blame for, and there is
// another one to try. It is what a new FrameLocator asks.
bool has_next_index(const Result<void>& brought, const store::Source& source, net::Fetcher& fetcher,
                    Observer& observer);

}  // namespace regild::volume
