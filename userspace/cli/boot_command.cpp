// SPDX-License-Identifier: GPL-2.0-or-later
// regild boot: what the initramfs runs.
#include <chrono>
#include <filesystem>

#include "base/read_file.hpp"
#include "base/replace_file.hpp"
#include "cli/banner.hpp"
#include "cli/boot_log.hpp"
#include "cli/configuration_file.hpp"
#include "cli/transport.hpp"

namespace regild::cli {
namespace {

constexpr const char* default_report = "/run/regild/report.json";
constexpr mode_t report_mode = 0600;

Result<void> write_report(const std::filesystem::path& path, const BootSummary& summary) {
    std::error_code error;
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
    if (error)
        return Error{Failure::failed,
                     "cannot create folder " + path.parent_path().string() + ": " + error.message()};
    return replace_file(path, to_json(summary), report_mode);
}

ExitCode code_of_outcome(boot::BootOutcome outcome) {
    const bool written = outcome == boot::BootOutcome::restored || outcome == boot::BootOutcome::provisioned;
    return written ? ExitCode::restored : ExitCode::clean;
}

// Whoever stands before the machine can edit the kernel's command line: another source counts only where what
// it says must be signed, and is told no secret.
void take_source(const std::string& source, format::Configuration& configuration, Observer& log) {
    const Result<net::Url> url = net::parse_document_url(source);
    if (configuration.keys.empty()) {
        log.event("regild.source is IGNORED: the configuration names no keys");
    } else if (!url) {
        log.event("regild.source is IGNORED: " + url.error().message);
    } else {
        log.event("regild.source: " + url->shown() + " in place of the configuration's source");
        configuration.source = source;
        configuration.mirrors.clear();
        configuration.bearer_token_file.clear();
        configuration.headers_file.clear();
    }
}

// The machine can start without knowing.
void go_on_after(const std::filesystem::path& report, BootLog& log, boot::Course& course) {
    const Result<std::string> text = read_file(report, max_report_size + 1);
    Result<EarlierRun> run = text ? read_earlier_run(*text) : text.error();
    if (!run) {
        log.event("what the run before has done is not known: " + run.error().message);
        return;
    }
    course = run->course;
    log.go_on_after(std::move(run->decisions));
}

Result<boot::BootReport> boot(const Environment& environment, const Arguments& arguments, BootLog& log,
                              boot::Course& course) {
    Result<format::Configuration> configuration = read_configuration(arguments.value("config"));
    if (!configuration) return configuration.error();
    if (arguments.has("source")) take_source(arguments.value("source"), *configuration, log);
    const Result<net::FetchOptions> fetch_options = fetch_options_of(*configuration);
    if (!fetch_options) return fetch_options.error();
    Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    const boot::BootOptions options{.no_network = arguments.has("no-network"),
                                    .skip_restore = arguments.has("skip-restore"),
                                    .no_map = arguments.has("no-map")};
    const std::unique_ptr<dm::Mapper> mapper = dm::make_device_mapper();
    const boot::Surroundings surroundings{.make_fetcher =
                                              [&](const net::WrapFetcher& wrap) {
                                                  return make_fetcher(*configuration, *fetch_options, log,
                                                                      environment.stop, wrap);
                                              },
                                          .mapper = *mapper,
                                          .observer = log,
                                          .stop = environment.stop,
                                          .wait = boot::patient_wait(environment.stop),
                                          .trust = *std::move(trust)};
    return boot::boot(*configuration, options, surroundings, &course);
}

Result<ExitCode> run_boot(const Environment& environment, const Arguments& arguments) {
    if (arguments.has("continue") && arguments.has("no-network"))
        return Error{Failure::usage, "--continue goes on after --no-network: give one of them"};
    const std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
    const std::string path = arguments.has("report") ? arguments.value("report") : default_report;
    BootLog log(environment.err);
    BootSummary summary;
    boot::Course course;
    if (arguments.has("continue")) go_on_after(path, log, course);
    // What it says is over, also where none can be written in its place.
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    const Result<boot::BootReport> report = boot(environment, arguments, log, course);
    if (arguments.has("no-network")) summary.course = course;
    if (report) {
        summary.report = *report;
        summary.exit_code = code_of_outcome(report->outcome);
        if (!report->mapped.empty()) {
            environment.out << report->mapped << "\n";
            // The machine can start without it.
            if (Result<void> written = write_banner(environment.run, banner_text(*report)); !written)
                log.event("no message at the login: " + written.error().message);
        }
    } else {
        summary.error = report.error().message;
        summary.exit_code = exit_code_of(report.error().kind);
        log.failure(summary.error);
    }
    summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    summary.decisions = log.decisions();
    // The machine can start without its report.
    if (Result<void> written = write_report(path, summary); !written)
        log.event("no report: " + written.error().message);
    if (!report) return report.error();
    return summary.exit_code;
}

}  // namespace

const Command boot_command{
    .name = "boot",
    .summary = "make the volume golden and map it, as the initramfs does",
    .description =
        "Finds the devices of the configuration; provisions a blank disk, restores marked\n"
        "blocks, maps the volume and prints the path of the mapped device. A clean volume\n"
        "needs no network.\n"
        "\n"
        "Exit codes: 0 clean, 3 restored or provisioned, both mapped; 1 failed, 2 wrong\n"
        "arguments or configuration, 4 the network is needed, 5 refused,\n"
        "7 the source serves nothing usable, 8 start the machine anew, 130 interrupted.\n"
        "With 0 the volume may also be as the last session left it, where the\n"
        "configuration allows that: the report says so.",
    .options = {{"config", "FILE", "configuration, see regild.json(5)", Need::here},
                {"no-network", nullptr, "end with 4 where the network would be needed"},
                {"continue", nullptr, "go on after --no-network has ended with 4, and report both"},
                {"skip-restore", nullptr, "do not restore; only if the configuration allows it"},
                {"source", "URL", "ask there instead; only if the configuration names keys"},
                {"no-map", nullptr, "stop before the mapping, to try a configuration"},
                {"report", "FILE", "JSON report (default /run/regild/report.json)"}},
    .operands = nullptr,
    .many_operands = false,
    .run = run_boot};

}  // namespace regild::cli
