// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/delta.hpp"

#include <algorithm>

#include "codec/version_identity.hpp"
#include "publish/delta_reader.hpp"
#include "publish/documents.hpp"
#include "publish/new_version.hpp"
#include "publish/stored_version.hpp"
#include "publish/version_writer.hpp"

namespace regild::publish {
namespace {

constexpr const char* activity = "publishing";

// What the delta's manifest must be but for the root hash, which is checked in the end.
Result<format::Manifest> base_of(const DeltaReader& delta, const std::filesystem::path& image_path) {
    const format::Manifest& next = delta.manifest();
    const std::uint64_t base_version = delta.header().base_version;
    const Result<StoredManifest> base = read_manifest(image_path, next.image, base_version);
    if (!base)
        return Error{Failure::refused, base.error().message}.context(
            "the delta builds on version " + std::to_string(base_version) + " of " + next.image);
    if (base->manifest.root_hash != delta.header().base_root_hash)
        return Error{Failure::refused, "the delta builds on another version " + std::to_string(base_version) +
                                           " of " + next.image + " than the one in the store"};
    format::Manifest expected = base->manifest;
    expected.version = next.version;
    expected.tree_uuid = codec::version_uuid(next.image, next.version);
    expected.root_hash = next.root_hash;
    if (next.version <= base_version || next != expected)
        return Error{Failure::refused, "the delta's manifest does not follow from version " +
                                           std::to_string(base_version) + " of " + next.image};
    return base->manifest;
}

Result<Blocks> write_blocks(StoredVersion& base, DeltaReader& delta, VersionWriter& version,
                            Observer& observer, const StopFlag& stop) {
    const format::Manifest& manifest = delta.manifest();
    const BlockIndex end = BlockIndex() + manifest.blocks();
    Blocks changed;
    Result<std::optional<DeltaBlock>> next = delta.next();
    for (BlockIndex at; at < end;) {
        if (stop.requested()) return Error{Failure::interrupted, "interrupted"};
        const Result<BlockRange> loaded = base.load(at);
        if (!loaded) return loaded.error();
        const BlockRange group = *loaded;
        for (std::uint64_t i = 0; i < group.count.count(); ++i) {
            if (!next) return next.error();
            const bool is_changed = *next && (*next)->index == group.first + Blocks(i);
            const ConstByteSpan frame = is_changed ? (*next)->frame : base.frame(i);
            const Digest& digest = is_changed ? (*next)->digest : base.digest(i);
            const auto length = static_cast<std::uint32_t>(frame.size());
            if (Result<void> added = version.add(frame, {&length, 1}, {&digest, 1}); !added)
                return added.error();
            if (!is_changed) continue;
            changed += Blocks(1);
            next = delta.next();
        }
        at = group.end();
        observer.progress(activity, std::min(manifest.block_size.offset_of(at), manifest.size),
                          manifest.size);
    }
    if (!next) return next.error();
    return changed;
}

}  // namespace

Result<DeltaReport> publish_delta(const DeltaRequest& request, Observer& observer, const StopFlag& stop) {
    Result<DeltaReader> delta = DeltaReader::open(request.delta);
    if (!delta) return delta.error();
    const format::Manifest& manifest = delta->manifest();
    // Before the lock, which would make the folder.
    if (const auto base = base_of(*delta, request.store / manifest.image); !base) return base.error();
    Result<NewVersion> version =
        NewVersion::begin(request.store, manifest.image, manifest.version, request.channel);
    if (!version) return version.error();
    const Result<format::Manifest> base = base_of(*delta, version->image_path());
    if (!base) return base.error();
    const Result<std::unique_ptr<VersionWriter>> writer =
        VersionWriter::create(version->path(), manifest, request.zstd_level);
    if (!writer) return writer.error();
    Result<StoredVersion> blocks =
        StoredVersion::open(version->image_path() / std::to_string(base->version), *base);
    if (!blocks) return blocks.error();
    const Result<Blocks> changed = write_blocks(*blocks, *delta, **writer, observer, stop);
    if (!changed) return changed.error();
    const Result<VersionWriter::Written> written = (*writer)->finish();
    if (!written) return written.error();
    if (written->root_hash != manifest.root_hash)
        return Error{Failure::refused,
                     "the delta does not lead to the version that it names: it is damaged, or version " +
                         std::to_string(base->version) + " in the store is"};
    if (Result<void> committed = version->commit(manifest); !committed) return committed.error();
    return DeltaReport{.manifest = manifest,
                       .base_version = base->version,
                       .changed = *changed,
                       .zero_blocks = (*writer)->zero_blocks(),
                       .compressed = written->frames,
                       .manifest_path = version->manifest_path(),
                       .channel_path = version->channel_path()};
}

}  // namespace regild::publish
