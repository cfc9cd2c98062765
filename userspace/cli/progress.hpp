// SPDX-License-Identifier: GPL-2.0-or-later
// What people see while work goes on: a bar on a terminal, plain lines in a log or on a serial console.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>

#include "base/observer.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"

namespace regild::cli {

// How far a piece of work has come, how fast and for how long still; the rate is the mean since its start.
class Meter {
  public:
    using Time = std::chrono::steady_clock::time_point;
    // True when this is another piece of work than before.
    bool update(const std::string& what, Bytes done, Bytes total, Time now);
    bool finished() const { return done_ == total_; }
    unsigned percent() const;
    // "restoring: 41.5 MiB of 88.0 MiB (47 %), 12.3 MiB/s, 0:04 left"
    std::string text() const;

  private:
    std::string what_;
    Bytes first_done_;
    Bytes done_;
    Bytes total_;
    Time started_;
    std::chrono::duration<double> elapsed_{};
};

using Clock = std::function<Meter::Time()>;

// Lines; of progress one every five seconds, so that short work prints none. Both may be called from several
// threads.
class PlainProgress final : public Observer {
  public:
    explicit PlainProgress(std::ostream& out, Clock clock = std::chrono::steady_clock::now)
        : out_(out), clock_(std::move(clock)) {}
    void event(const std::string& line) override;
    void progress(const char* what, Bytes done, Bytes total) override;

  private:
    void say(const std::string& line);

    std::mutex mutex_;
    std::ostream& out_;
    Clock clock_;
    Meter meter_;
    Meter::Time last_line_;
};

// One line that is redrawn at most ten times a second, on a terminal `width()` columns wide, and cleared at
// the end of the work.
class BarProgress final : public Observer {
  public:
    BarProgress(std::ostream& out, std::function<unsigned()> width,
                Clock clock = std::chrono::steady_clock::now)
        : out_(out), width_(std::move(width)), clock_(std::move(clock)) {}
    ~BarProgress() override { clear(); }
    BarProgress(const BarProgress&) = delete;
    BarProgress& operator=(const BarProgress&) = delete;
    void event(const std::string& line) override;
    void progress(const char* what, Bytes done, Bytes total) override;

  private:
    void clear();

    std::mutex mutex_;
    std::ostream& out_;
    std::function<unsigned()> width_;
    Clock clock_;
    Meter meter_;
    Meter::Time last_drawn_;
    bool drawn_ = false;
};

// The one of the two that suits `environment`.
std::unique_ptr<Observer> make_progress(const Environment& environment);

}  // namespace regild::cli
