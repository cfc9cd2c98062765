// SPDX-License-Identifier: GPL-2.0-or-later
// What long work tells of itself; only `cli` prints.
#pragma once

#include <string>

#include "base/units.hpp"

namespace regild {

class Observer {
  public:
    virtual ~Observer() = default;
    // One decision or event, a whole sentence without a full stop.
    virtual void event(const std::string& line) = 0;
    // How far the work `what` ("restoring", "publishing", "verifying", ...) has come. Called often, from one
    // thread at a time.
    virtual void progress(const char* what, Bytes done, Bytes total) = 0;
};

}  // namespace regild
