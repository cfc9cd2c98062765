// SPDX-License-Identifier: GPL-2.0-or-later
// regild gc: old versions leave a store.
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "publish/gc.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

constexpr Option keep_option{"keep", "N", "how many of the newest versions stay (default 3)"};
constexpr Option delete_option{"delete", nullptr, "remove what is told"};

void print_json(std::ostream& out, const publish::GcRequest& request, const publish::GcReport& report) {
    ordered_json json{{"image", request.image}, {"keep", request.keep}, {"deleted", request.remove}};
    for (const char* key : {"kept", "versions", "leftovers", "left_alone"})
        json[key] = ordered_json::array();
    for (const auto& [version, channels, left_out_by] : report.kept)
        json["kept"].push_back({{"version", version}, {"channels", channels}, {"left_out_by", left_out_by}});
    for (const auto& [version, bytes] : report.versions)
        json["versions"].push_back({{"version", version}, {"bytes", bytes.count()}});
    for (const auto& [name, bytes] : report.leftovers)
        json["leftovers"].push_back({{"name", name}, {"bytes", bytes.count()}});
    for (const auto& [version, why] : report.left_alone)
        json["left_alone"].push_back({{"version", version}, {"why", why}});
    json["bytes"] = report.bytes().count();
    out << json_text(json);
}

void print_names(std::ostream& out, const char* before, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        out << before << printable(name);
        before = ", ";
    }
}

void print_report(std::ostream& out, const publish::GcRequest& request, const publish::GcReport& report) {
    for (const auto& [version, channels, left_out_by] : report.kept) {
        out << "kept        version " << version;
        print_names(out, ", named by ", channels);
        print_names(out, ", for machines left out by ", left_out_by);
        out << (channels.empty() && left_out_by.empty() ? ", one of the newest" : "") << "\n";
    }
    for (const auto& [version, why] : report.left_alone)
        out << "left alone  version " << version << ": " << why << "\n";
    const char* const what = request.remove ? "removed     " : "to remove   ";
    for (const auto& [version, bytes] : report.versions)
        out << what << "version " << version << ", " << format_size(bytes) << "\n";
    for (const auto& [name, bytes] : report.leftovers)
        out << what << printable(name) << ", " << format_size(bytes)
            << (request.remove ? ", was cut off" : ", of a publish or gc that is at work or was cut off")
            << "\n";
    if (report.versions.empty() && report.leftovers.empty())
        out << (request.remove ? "nothing was to be removed\n" : "nothing is to be removed\n");
    else if (request.remove)
        out << "freed       " << format_size(report.bytes()) << "\n";
    else
        out << "frees       " << format_size(report.bytes()) << " with --delete\n";
}

Result<ExitCode> run_gc(const Environment& environment, const Arguments& arguments) {
    publish::GcRequest request{.store = arguments.operands()[0],
                               .image = arguments.operands()[1],
                               .remove = arguments.has(delete_option.name)};
    if (arguments.has(keep_option.name)) {
        const Result<std::uint64_t> keep = parse_number("--keep", arguments.value(keep_option.name));
        if (!keep) return keep.error();
        request.keep = *keep;
    }
    const std::unique_ptr<Observer> observer = make_progress(environment);
    const Result<publish::GcReport> report = publish::gc(request, *observer, environment.stop);
    if (!report) return report.error();
    if (arguments.has(json_option.name))
        print_json(environment.out, request, *report);
    else
        print_report(environment.out, request, *report);
    return ExitCode::clean;
}

}  // namespace

const Command gc_command{
    .name = "gc",
    .summary = "remove old versions that no channel needs from a store",
    .description =
        "Tells which versions of IMAGE in the folder STORE no channel names and are none\n"
        "of the newest, and what an interrupted publish left. Only --delete removes them.\n"
        "Those before one that a channel has for a part of the machines only stay too.\n"
        "A kiosk that still holds a removed version cannot restore before it is updated.",
    .options = {keep_option, delete_option, json_option},
    .operands = "STORE IMAGE",
    .many_operands = true,
    .least_operands = 2,
    .most_operands = 2,
    .run = run_gc};

}  // namespace regild::cli
