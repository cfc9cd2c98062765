// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/update.hpp"

#include <algorithm>
#include <utility>

#include "store/tree_difference.hpp"
#include "volume/layout.hpp"
#include "volume/trial.hpp"

namespace regild::volume {
namespace {

// Ranges in memory, 16 MiB: only a volume with more is marked before all of them are known.
constexpr std::size_t max_collected = std::size_t{1} << 20;

Result<Update> mark_difference(log::WriteLog& log, const store::Source& installed, const store::Source& next,
                               const TreeSources& trees) {
    Update update;
    std::vector<BlockRange> collected;
    const auto mark = [&]() -> Result<void> { return log.bitmap().mark(std::exchange(collected, {})); };
    const auto collect = [&](std::span<const BlockRange> ranges) -> Result<void> {
        for (const BlockRange& range : ranges)
            update.marked += range.count;
        collected.insert(collected.end(), ranges.begin(), ranges.end());
        return collected.size() < max_collected ? Result<void>() : mark();
    };
    Result<bool> told = false;
    if (format::are_comparable(installed.manifest, next.manifest))
        told = store::for_each_difference(installed, next, trees.fetcher, trees.cache, collect);
    else if (Result<void> there = store::check_tree(next, trees.fetcher, trees.cache); !there)
        return there.error();
    if (!told) return told.error();
    if (*told) {
        if (Result<void> marked = mark(); !marked) return marked.error();
        return update;
    }
    trees.observer.event("how version " + std::to_string(installed.manifest.version) +
                         " differs cannot be told: all blocks are compared with version " +
                         std::to_string(next.manifest.version));
    return mark_all_unknown(log);
}

Result<Update> change_layout(log::WriteLog& log, format::ImageRecord record, Observer& observer) {
    observer.event("version " + std::to_string(record.image_version) +
                   " has another size or block size: the log is laid out anew, and all blocks are compared");
    if (Result<void> laid_out = lay_out(log, std::move(record)); !laid_out) return laid_out.error();
    return Update{log.geometry().blocks(), true};
}

}  // namespace

Result<store::Offered> offered_to(const Asker& asker, const format::ImageRecord& record,
                                  net::Fetcher& fetcher, const net::Url& url) {
    store::Known known{record.image, record.image_version, 0,
                       store::KnownChannels(record.channels, record.image, asker.trust), std::nullopt};
    if (!asker.by_hand) {
        known.rejected = record.rejected_version;
        known.machine = store::machine_with(record.disk, asker.tags);
    }
    return store::offered_but(fetcher, url, asker.trust, known);
}

// What is staged is installed without a look at the channel: with keys its serial number counts from here on,
// and what was staged before it left this machine out is forgotten.
Result<void> note_offered(log::WriteLog& log, const Asker& asker, const store::Offered& offered) {
    format::ImageRecord record = *log.record();
    if (!offered.channel || offered.channel->image != record.image) return {};
    const store::SignedChannel& channel = *offered.channel;
    believe(record, channel, asker.trust);
    if (record.staged && !asker.by_hand &&
        !store::is_meant_for(channel, store::machine_with(record.disk, asker.tags))) {
        const Result<format::Manifest> staged = format::parse_manifest(record.staged.manifest);
        if (staged && staged->image == channel.image && staged->version == channel.version)
            record.staged = {};
    }
    return record == *log.record() ? Result<void>() : log.write_record(std::move(record));
}

Result<std::optional<store::Source>> newer_of(const Asker& asker, const format::ImageRecord& record,
                                              store::Offered offered) {
    if (!offered.source) return std::optional<store::Source>();
    const format::Manifest& manifest = offered.source->manifest;
    const std::string version =
        "version " + std::to_string(manifest.version) + " of " + manifest.image + " is offered, ";
    if (manifest.image != record.image)
        return Error{Failure::refused, version + "which is another image than the volume holds"};
    if (manifest.version < record.image_version)
        return Error{Failure::refused, version + "which is older than version " +
                                           std::to_string(record.image_version) + ", which the volume holds"};
    if (manifest.version == record.image_version ||
        (!asker.by_hand && manifest.version == record.rejected_version))
        return std::optional<store::Source>();
    return std::move(offered.source);
}

Result<std::optional<store::Source>> newer_version(log::WriteLog& log, net::Fetcher& fetcher,
                                                   const net::Url& url, const Asker& asker,
                                                   Observer& observer) {
    Result<store::Offered> offered = offered_to(asker, *log.record(), fetcher, url);
    if (!offered) return offered.error();
    if (offered->withheld) observer.event(*offered->withheld);
    if (Result<void> noted = note_offered(log, asker, *offered); !noted) return noted.error();
    return newer_of(asker, *log.record(), *std::move(offered));
}

Result<Update> mark_all_unknown(log::WriteLog& log) {
    format::ImageRecord record = *log.record();
    record.unknown = true;
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    const BlockRange all{BlockIndex(0), log.geometry().blocks()};
    if (Result<void> marked = log.bitmap().mark({&all, 1}); !marked) return marked.error();
    return Update{all.count, true};
}

Result<Update> update(log::WriteLog& log, const store::Source& installed, const store::Source& next,
                      std::uint32_t trial_boots, const TreeSources& trees) {
    if (next.manifest.log_geometry() != log.geometry()) {
        if (Result<void> there = store::check_tree(next, trees.fetcher, trees.cache); !there)
            return there.error();
        format::ImageRecord record = *log.record();
        install(record, next, trial_boots);
        return change_layout(log, std::move(record), trees.observer);
    }
    Result<Update> update = mark_difference(log, installed, next, trees);
    if (!update) return update;
    format::ImageRecord record = *log.record();
    install(record, next, trial_boots);
    record.unknown = record.unknown || update->all_unknown;
    if (log.bitmap().marked() == Blocks(0)) touch(record);
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    return update;
}

Result<Update> go_back(log::WriteLog& log, const store::Source& installed, const store::Source& before,
                       const TreeSources& trees) {
    if (before.manifest.log_geometry() != log.geometry()) {
        // From an untouched one there is nothing that could be started, whatever the source has.
        if (!log.record()->untouched)
            if (Result<void> there = store::check_tree(before, trees.fetcher, trees.cache); !there)
                return there.error();
        format::ImageRecord record = *log.record();
        put_back(record, before);
        return change_layout(log, std::move(record), trees.observer);
    }
    const bool untouched = log.record()->untouched;
    Result<Update> update = untouched ? Update{} : mark_difference(log, installed, before, trees);
    if (!update) return update;
    format::ImageRecord record = *log.record();
    put_back(record, before);
    // Of the marks of an untouched version most are of blocks that are right for the one before.
    record.unknown = record.unknown || update->all_unknown || untouched;
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    return update;
}

}  // namespace regild::volume
