// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/fit.hpp"

#include <algorithm>

#include "volume/layout.hpp"

namespace regild::volume {
namespace {

std::string name_of(const format::Manifest& manifest) {
    return "image " + manifest.image + " version " + std::to_string(manifest.version);
}

std::string in_bytes(Bytes bytes) {
    return std::to_string(bytes.count()) + " bytes";
}

// Whether the image record holds the manifest of `source`.
Result<void> check_same_version(const format::ImageRecord& record, const store::Source& source,
                                const std::string& disk) {
    if (record.manifest == source.manifest_text) return {};
    const Result<format::Manifest> held = format::parse_manifest(record.manifest);
    if (!held) return held.error().context("the manifest in the log of " + disk);
    if (*held == source.manifest) return {};
    return Error{Failure::refused, "the log of " + disk + " was made for " + name_of(*held) +
                                       ", not for this " + name_of(source.manifest) +
                                       ": restore from that version, or provision the volume again"};
}

}  // namespace

Result<void> check_fits_disk(const block::Storage& data, const format::Manifest& manifest) {
    if (data.size() < manifest.size)
        return Error{Failure::refused, data.name() + " is too small: it has " + in_bytes(data.size()) +
                                           ", and " + name_of(manifest) + " needs " +
                                           in_bytes(manifest.size)};
    const Bytes sector = data.alignment();
    if (manifest.size.count() % sector.count() != 0 || manifest.block_size.bytes() < sector)
        return Error{Failure::refused, data.name() + " is written in sectors of " + in_bytes(sector) +
                                           ", and size or block size of " + name_of(manifest) +
                                           " is no multiple of them: publish an image for such disks"};
    return {};
}

Result<void> check_fit(const log::WriteLog& log, const block::Storage& data, const store::Source& source) {
    const format::Manifest& manifest = source.manifest;
    if (Result<void> r = check_fits_disk(data, manifest); !r) return r;
    if (!log.record())
        return Error{Failure::refused,
                     "the log of " + data.name() + " has no valid image record: provision the volume again"};
    if (Result<void> r = check_same_version(*log.record(), source, data.name()); !r) return r;
    if (is_layout_unfinished(log))
        return Error{Failure::refused, "the log of " + data.name() +
                                           " is being laid out anew: run regild restore to finish it"};
    if (log.geometry() != manifest.log_geometry())
        return Error{Failure::refused, "the log of " + data.name() + " has another size or block size than " +
                                           name_of(manifest) + ": provision the volume again"};
    return {};
}

Bytes length_on_disk(const format::Manifest& manifest, BlockRange blocks) {
    const Bytes end = std::min(manifest.block_size.offset_of(blocks.end()), manifest.size);
    return end - manifest.block_size.offset_of(blocks.first);
}

}  // namespace regild::volume
