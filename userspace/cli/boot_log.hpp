// SPDX-License-Identifier: GPL-2.0-or-later
// What a boot leaves behind for people and programs: lines on the console and in the kernel's log, and a
// report.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "boot/boot.hpp"
#include "cli/exit_code.hpp"
#include "cli/progress.hpp"

namespace regild::cli {

// Each decision to `err`, to the kernel's log where that can be written, and into decisions(). Progress goes
// to `err` alone: the kernel's log keeps few lines a second of ours.
class BootLog final : public Observer {
  public:
    explicit BootLog(std::ostream& err, const char* kernel_log = "/dev/kmsg");
    void event(const std::string& line) override;
    void progress(const char* what, Bytes done, Bytes total) override {
        console_.progress(what, done, total);
    }
    // To the kernel's log alone: run_words prints the error itself.
    void failure(const std::string& line);
    const std::vector<std::string>& decisions() const { return decisions_; }
    // In front of those to come; they have been shown.
    void go_on_after(std::vector<std::string> decisions) { decisions_ = std::move(decisions); }

  private:
    void to_kernel(const std::string& line);

    PlainProgress console_;
    Fd kernel_log_;
    std::vector<std::string> decisions_;
};

struct BootSummary {
    std::optional<boot::BootReport> report;  // nothing when it failed
    std::string error;
    std::optional<boot::Course> course;  // of a run without a network, which another one may go on with
    ExitCode exit_code = ExitCode::failed;
    double seconds = 0;
    std::vector<std::string> decisions;
};

// The report as regild(8) documents it.
std::string to_json(const BootSummary& summary);

// What a run that ended because it had no network leaves to the one that goes on.
struct EarlierRun {
    boot::Course course;
    std::vector<std::string> decisions;
};
inline constexpr std::size_t max_report_size = 1 << 20;
// Failure::failed: this is no report of such a run.
Result<EarlierRun> read_earlier_run(const std::string& report);

}  // namespace regild::cli
