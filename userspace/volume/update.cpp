// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/update.hpp"

#include <algorithm>
#include <utility>

#include "store/tree_difference.hpp"

namespace regild::volume {
namespace {

Result<void> mark_all(log::Bitmap& bitmap, Blocks blocks) {
    const BlockRange all{BlockIndex(0), blocks};
    return bitmap.mark({&all, 1});
}

// Ranges in memory, 16 MiB: only a volume with more is marked before all of them are known.
constexpr std::size_t max_collected = std::size_t{1} << 20;

Result<Update> mark_difference(log::Bitmap& bitmap, const store::Source& installed, const store::Source& next,
                               net::Fetcher& fetcher, store::Cache* cache, Observer& observer) {
    Update update;
    std::vector<BlockRange> collected;
    const auto mark = [&]() -> Result<void> { return bitmap.mark(std::exchange(collected, {})); };
    const auto collect = [&](std::span<const BlockRange> ranges) -> Result<void> {
        for (const BlockRange& range : ranges)
            update.marked += range.count;
        collected.insert(collected.end(), ranges.begin(), ranges.end());
        return collected.size() < max_collected ? Result<void>() : mark();
    };
    Result<void> marked = Error{Failure::source, "the two versions cannot be compared"};
    if (store::are_comparable(installed.manifest, next.manifest))
        marked = store::for_each_difference(installed, next, fetcher, cache, collect);
    if (marked) marked = mark();
    if (marked) return update;
    if (marked.error().kind != Failure::source) return marked.error();
    observer.event(marked.error().message + ": all blocks are compared with version " +
                   std::to_string(next.manifest.version));
    if (Result<void> all = mark_all(bitmap, next.manifest.blocks()); !all) return all.error();
    return Update{next.manifest.blocks(), true};
}

}  // namespace

Offer judge(const log::WriteLog& log, const store::Source& offered, const store::Trust& trust) {
    const format::ImageRecord& record = *log.record();
    const format::Manifest& manifest = offered.manifest;
    if (manifest.image != record.image) return Offer::other_image;
    const bool is_older_channel =
        trust.has_keys() && offered.channel_serial > 0 && offered.channel_serial < record.channel_serial;
    if (manifest.version < record.image_version || is_older_channel) return Offer::older;
    if (manifest.version == record.image_version) return Offer::same;
    return manifest.log_geometry() == log.geometry() ? Offer::newer : Offer::other_layout;
}

Error refusal(Offer offer, const store::Source& offered) {
    const std::string version = "version " + std::to_string(offered.manifest.version) + " of " +
                                offered.manifest.image + " is offered, ";
    switch (offer) {
        case Offer::same:
        case Offer::newer:
            break;
        case Offer::older:
            return {Failure::refused,
                    version + "which is older than what the volume holds, or by an older channel"};
        case Offer::other_image:
            return {Failure::refused, version + "which is another image than the volume holds"};
        case Offer::other_layout:
            return {Failure::refused,
                    version +
                        "which has another size or block size: regild format, and then a boot "
                        "or regild provision, installs it"};
    }
    return {Failure::refused, version + "which is nothing to refuse"};
}

Result<Update> update(log::WriteLog& log, const store::Source& installed, const store::Source& next,
                      net::Fetcher& fetcher, store::Cache* cache, Observer& observer) {
    Result<Update> update = mark_difference(log.bitmap(), installed, next, fetcher, cache, observer);
    if (!update) return update;
    format::ImageRecord record = *log.record();
    record.image_version = next.manifest.version;
    record.version_floor = next.manifest.version;
    record.channel_serial = std::max(record.channel_serial, next.channel_serial);
    record.unknown = record.unknown || update->all_unknown;
    record.document = format::document_field(next.document);
    record.manifest = next.manifest_text;
    record.signature = next.signature;
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    return update;
}

}  // namespace regild::volume
