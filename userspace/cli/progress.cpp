// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace regild::cli {
namespace {

constexpr std::chrono::seconds between_lines{5};
constexpr std::chrono::milliseconds between_draws{100};
constexpr std::chrono::seconds rate_known_after{1};
constexpr std::size_t widest_bar = 40;
constexpr std::size_t narrowest_bar = 10;
constexpr const char* clear_line = "\r\033[K";

// "0:04", "1:02:03"
std::string clock_text(std::uint64_t seconds) {
    char text[32];
    const unsigned long long hours = seconds / 3600;
    const unsigned long long minutes = seconds / 60 % 60;
    if (hours > 0)
        snprintf(text, sizeof(text), "%llu:%02llu:%02u", hours, minutes, static_cast<unsigned>(seconds % 60));
    else
        snprintf(text, sizeof(text), "%llu:%02u", minutes, static_cast<unsigned>(seconds % 60));
    return text;
}

unsigned stderr_width() {
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

bool Meter::update(const std::string& what, Bytes done, Bytes total, Time now) {
    const bool other = what != what_ || total != total_ || done < done_;
    if (other) {
        what_ = what;
        total_ = total;
        first_done_ = done;
        started_ = now;
    }
    done_ = done;
    elapsed_ = now - started_;
    return other;
}

unsigned Meter::percent() const {
    if (total_ == Bytes(0)) return 100;
    return static_cast<unsigned>(static_cast<double>(done_.count()) / static_cast<double>(total_.count()) *
                                 100);
}

std::string Meter::text() const {
    std::string text = what_ + ": " + format_size(done_) + " of " + format_size(total_) + " (" +
                       std::to_string(percent()) + " %)";
    const Bytes moved = done_ - first_done_;
    if (elapsed_ < rate_known_after || moved == Bytes(0)) return text;
    const double rate = static_cast<double>(moved.count()) / elapsed_.count();
    text += ", " + format_size(Bytes(static_cast<std::uint64_t>(rate))) + "/s";
    if (!finished())
        text += ", " +
                clock_text(static_cast<std::uint64_t>(static_cast<double>((total_ - done_).count()) / rate)) +
                " left";
    return text;
}

void PlainProgress::say(const std::string& line) {
    out_ << "regild: " << printable(line) << std::endl;
}

void PlainProgress::event(const std::string& line) {
    const std::lock_guard lock(mutex_);
    say(line);
}

void PlainProgress::progress(const char* what, Bytes done, Bytes total) {
    const std::lock_guard lock(mutex_);
    const Meter::Time now = clock_();
    if (meter_.update(what, done, total, now)) last_line_ = now;
    if (now - last_line_ < between_lines) return;
    last_line_ = now;
    say(meter_.text());
}

void BarProgress::clear() {
    if (drawn_) out_ << clear_line << std::flush;
    drawn_ = false;
}

void BarProgress::event(const std::string& line) {
    const std::lock_guard lock(mutex_);
    clear();
    out_ << "regild: " << printable(line) << std::endl;
}

void BarProgress::progress(const char* what, Bytes done, Bytes total) {
    const std::lock_guard lock(mutex_);
    const Meter::Time now = clock_();
    const bool other = meter_.update(what, done, total, now);
    if (meter_.finished()) return clear();
    if (!other && drawn_ && now - last_drawn_ < between_draws) return;
    last_drawn_ = now;
    drawn_ = true;

    std::string line = meter_.text();
    const std::size_t width = std::max(width_(), 1u) - 1;  // a full last column would wrap
    if (line.size() + 3 + narrowest_bar <= width) {
        const std::size_t length = std::min(width - line.size() - 3, widest_bar);
        std::string bar(length * meter_.percent() / 100, '#');
        bar.resize(length, '.');
        line += " [" + bar + "]";
    }
    line.resize(std::min(line.size(), width));
    out_ << clear_line << line << std::flush;
}

std::unique_ptr<Observer> make_progress(const Environment& environment) {
    if (environment.err_is_terminal) return std::make_unique<BarProgress>(environment.err, stderr_width);
    return std::make_unique<PlainProgress>(environment.err);
}

}  // namespace regild::cli
