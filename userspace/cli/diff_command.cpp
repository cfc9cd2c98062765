// SPDX-License-Identifier: GPL-2.0-or-later
// regild diff: what it takes to get from one version, or from what is on a disk, to another version.
#include <nlohmann/json.hpp>

#include "block/device.hpp"
#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "cli/progress.hpp"
#include "cli/transport.hpp"
#include "cli/volume_report.hpp"
#include "volume/difference.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

// `from`: a version, or nothing where it is a disk.
void print_json(std::ostream& out, const std::optional<format::Manifest>& from, const format::Manifest& to,
                const volume::Difference& difference) {
    ordered_json json{{"image", to.image}, {"version", to.version}, {"from_version", nullptr}};
    if (from) json["from_version"] = from->version;
    json["block_size"] = to.block_size.bytes().count();
    json["blocks"] = to.blocks().count();
    json["differing_blocks"] = difference.blocks.count();
    json["differing_bytes"] = to.block_size.bytes_of(difference.blocks).count();
    json["zero_blocks"] = difference.zero.count();
    json["unreadable_blocks"] = difference.unreadable.count();
    json["fetch_bytes"] = difference.frames.count();
    out << json_text(json);
}

void print_text(std::ostream& out, const std::string& from, const format::Manifest& to,
                const volume::Difference& difference) {
    out << "image      " << to.image << ", from " << printable(from) << " to version " << to.version << "\n"
        << "differ     " << blocks_text(difference.blocks, to.block_size) << " of " << to.blocks().count()
        << "\n";
    if (difference.unreadable > Blocks(0))
        out << "unreadable " << difference.unreadable.count() << " of them\n";
    out << "zero       " << difference.zero.count() << " of them in version " << to.version << "\n"
        << "to fetch   " << format_size(difference.frames) << " for the other "
        << (difference.blocks - difference.zero).count() << "\n";
}

// Of all URLs that are named.
Result<std::vector<net::Url>> urls_of(const std::vector<std::string>& operands) {
    std::vector<net::Url> urls;
    for (const std::string& operand : operands) {
        Result<net::Url> url = net::parse_document_url(operand);
        if (!url) return url.error();
        urls.push_back(*std::move(url));
    }
    return urls;
}

Result<ExitCode> run_diff(const Environment& environment, const Arguments& arguments) {
    const bool of_disk = arguments.has(data_option.name);
    if (of_disk == (arguments.operands().size() == 2))
        return Error{Failure::usage,
                     "diff: two versions are compared, A and B, or version A and the disk of "
                     "--data DEV; see 'regild diff --help'"};
    const Result<std::vector<net::Url>> urls = urls_of(arguments.operands());
    if (!urls) return urls.error();
    Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    configuration->source = arguments.operands()[0];
    const Result<store::Trust> trust = trust_of(*configuration);
    if (!trust) return trust.error();
    Result<net::FetchOptions> options = fetch_options_of(*configuration);
    if (!options) return options.error();
    std::unique_ptr<block::Device> disk;
    if (of_disk) {
        const Result<std::string> path = block::resolve(configuration->data);
        if (!path) return path.error();
        Result<std::unique_ptr<block::Device>> opened = block::Device::open(*path, block::Access::read);
        if (!opened) return opened.error();
        disk = *std::move(opened);
    }

    const std::unique_ptr<Observer> observer = make_progress(environment);
    const std::unique_ptr<net::Fetcher> fetcher =
        make_fetcher(*configuration, *std::move(options), *observer, environment.stop);
    std::vector<store::Source> sources;
    for (const net::Url& url : *urls) {
        Result<store::Source> source = store::offered_source(*fetcher, url, *trust);
        if (!source) return source.error();
        sources.push_back(*std::move(source));
    }
    const Result<volume::Difference> difference =
        disk ? volume::disk_difference(*disk, sources[0], *fetcher, *observer, environment.stop)
             : volume::version_difference(sources[0], sources[1], *fetcher);
    if (!difference) return difference.error();

    const format::Manifest& to = sources.back().manifest;
    std::optional<format::Manifest> from;
    if (!disk) from = sources[0].manifest;
    if (arguments.has(json_option.name))
        print_json(environment.out, from, to, *difference);
    else
        print_text(environment.out, from ? "version " + std::to_string(from->version) : disk->name(), to,
                   *difference);
    return disk && difference->blocks > Blocks(0) ? ExitCode::not_golden : ExitCode::clean;
}

}  // namespace

const Command diff_command{
    .name = "diff",
    .summary = "tell what moves from one version, or a disk, to another version",
    .description =
        "A and B are URLs of a manifest or a channel: tells how many blocks of B are not\n"
        "those of A, and how many bytes would be fetched for them. With --data the disk is\n"
        "compared with A; the exit code is 6 if a block differs. Nothing is written.",
    .options = with_transport_options(
        {{"data", "DEV", "the disk: a path or PARTLABEL=, PARTUUID=, LABEL=, UUID="}, keys_option},
        {json_option}),
    .operands = "A [B]",
    .many_operands = true,
    .most_operands = 2,
    .run = run_diff};

}  // namespace regild::cli
