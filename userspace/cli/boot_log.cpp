// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/boot_log.hpp"

#include <fcntl.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/json_text.hpp"
#include "cli/volume_report.hpp"
#include "format/json.hpp"

namespace regild::cli {
namespace {

// LOG_DEBUG of syslog(3): in dmesg and the journal, but not once more on the console, which has it from
// stderr.
constexpr char kernel_log_level = '7';
// The kernel refuses a line of more than 1024 bytes (LOG_LINE_MAX).
constexpr std::size_t longest_kernel_line = 960;
constexpr unsigned report_format = 1;

}  // namespace

BootLog::BootLog(std::ostream& err, const char* kernel_log)
    : console_(err), kernel_log_(open(kernel_log, O_WRONLY | O_CLOEXEC | O_NOCTTY)) {}

void BootLog::to_kernel(const std::string& line) {
    if (!kernel_log_) return;
    const std::string text =
        (std::string("<") + kernel_log_level + ">regild: " + printable(line)).substr(0, longest_kernel_line) +
        "\n";
    // One write is one line. That it may be dropped is all the same: the console and the report have it.
    [[maybe_unused]] const ssize_t ignored = write(kernel_log_.get(), text.data(), text.size());
}

void BootLog::event(const std::string& line) {
    console_.event(line);
    to_kernel(line);
    decisions_.push_back(line);
}

void BootLog::failure(const std::string& line) {
    to_kernel(line);
}

std::string to_json(const BootSummary& summary) {
    using nlohmann::ordered_json;
    ordered_json json;
    json["format"] = report_format;
    json["outcome"] = summary.report ? boot::to_string(summary.report->outcome) : "failed";
    json["exit_code"] = static_cast<int>(summary.exit_code);
    json["error"] = summary.report ? ordered_json(nullptr) : ordered_json(summary.error);
    json["seconds"] = std::round(summary.seconds * 1000) / 1000;
    if (summary.report) {
        const boot::BootReport& report = *summary.report;
        json["mapped"] = report.mapped.empty() ? ordered_json(nullptr) : ordered_json(report.mapped);
        json["image"] = report.image;
        json["version"] = report.version;
        if (report.version_before != 0) json["version_before"] = report.version_before;
        if (report.thaw) json["thaw"] = thaw_json(report.thaw);
        json["document"] = report.document.empty() ? ordered_json(nullptr) : ordered_json(report.document);
        json["block_size"] = report.block_size.bytes().count();
        json["blocks"] = report.blocks.count();
        add_restore(json, report.block_size, report.restore);
    } else if (summary.course) {
        if (summary.course->version_before != 0) json["version_before"] = summary.course->version_before;
        json["compares_all"] = summary.course->compares_all;
    }
    json["decisions"] = summary.decisions;
    return json_text(json);
}

Result<EarlierRun> read_earlier_run(const std::string& report) {
    const Result<nlohmann::json> json = format::parse_json_object(report, max_report_size, Failure::failed);
    if (!json) return json.error();
    format::ObjectReader reader(*json, Failure::failed);
    reader.number("format", report_format, report_format);
    const auto needs_network = static_cast<std::uint64_t>(ExitCode::network);
    reader.number("exit_code", needs_network, needs_network);
    EarlierRun run;
    if (reader.has("version_before"))
        run.course.version_before = reader.number("version_before", 1, format::max_version);
    run.course.compares_all = reader.boolean("compares_all");
    run.decisions = reader.texts("decisions");
    if (Result<void> right = reader.so_far(); !right) return right.error();
    return run;
}

}  // namespace regild::cli
