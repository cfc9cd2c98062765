// SPDX-License-Identifier: GPL-2.0-or-later
// An observer that prints nothing and remembers what it was told.
#pragma once

#include <string>
#include <vector>

#include "base/observer.hpp"

namespace regild::test {

class SilentObserver : public Observer {
  public:
    void event(const std::string& line) override {
        events.push_back(line);
        lines += line + "\n";
    }
    void progress(const char*, Bytes done, Bytes total) override {
        last_done = done;
        last_total = total;
        times_at_total += done == total;
    }
    std::vector<std::string> events;
    std::string lines;
    Bytes last_done;
    Bytes last_total;
    unsigned times_at_total = 0;
};

}  // namespace regild::test
