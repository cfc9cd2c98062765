// SPDX-License-Identifier: GPL-2.0-or-later
// regild cache: what it holds, and how to be rid of that.
#include <nlohmann/json.hpp>

#include "cli/configuration_file.hpp"
#include "cli/progress.hpp"
#include "volume/cache_device.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

constexpr int json_indent = 4;

void print_status(const Environment& environment, bool as_json, volume::OpenCache& open) {
    const store::Cache::Content content = open.cache->content();
    const Bytes room = open.cache->geometry().ring_length();
    if (as_json) {
        const ordered_json json = {{"cache", open.device->name()},
                                   {"size", open.device->size().count()},
                                   {"room", room.count()},
                                   {"chunks", content.chunks},
                                   {"bytes", content.length.count()}};
        environment.out << json.dump(json_indent, ' ', false, ordered_json::error_handler_t::replace) << "\n";
        return;
    }
    environment.out << "cache       " << printable(open.device->name()) << ", "
                    << format_size(open.device->size()) << "\n"
                    << "room        " << format_size(room) << " for chunks\n"
                    << "holds       " << content.chunks << " chunks of " << format_size(content.length)
                    << "; some may be overwritten\n";
}

Result<ExitCode> run_cache(const Environment& environment, const Arguments& arguments) {
    const std::string& what = arguments.operands()[0];
    if (what != "status" && what != "drop")
        return Error{Failure::usage,
                     "'" + printable(what) + "' is nothing to do with a cache: status or drop"};
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    if (configuration->cache.empty())
        return Error{Failure::usage, "the configuration names no cache; give one with --cache"};
    Result<volume::OpenCache> open = volume::open_cache(configuration->cache);
    if (!open) return open.error();
    if (what == "drop") {
        open->cache->drop();
    } else {
        print_status(environment, arguments.has(json_option.name), *open);
    }
    if (open->cache->error()) return *open->cache->error();
    return ExitCode::clean;
}

}  // namespace

const Command cache_command{
    .name = "cache",
    .summary = "show what the cache holds, or empty it",
    .description =
        "WHAT is status or drop. The cache keeps what was fetched, so that the next restore\n"
        "needs no network; nothing is lost that the server does not have.",
    .options = {config_option,
                {"cache", "DEV",
                 "the cache: a path or PARTLABEL=, PARTUUID=, LABEL=, UUID=", Need::here_or_in_configuration},
                json_option},
    .operands = "WHAT",
    .many_operands = false,
    .run = run_cache};

}  // namespace regild::cli
