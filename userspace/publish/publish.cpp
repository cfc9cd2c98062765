// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/publish.hpp"

#include <regild/writelog_format.h>

#include <algorithm>

#include "block/probe.hpp"
#include "codec/version_identity.hpp"
#include "codec/zstd.hpp"
#include "publish/documents.hpp"
#include "publish/file_system.hpp"
#include "publish/image.hpp"
#include "publish/new_version.hpp"
#include "publish/version_writer.hpp"

namespace regild::publish {
namespace {

constexpr const char* activity = "publishing";
constexpr const char* raw_file = "image.raw";
constexpr unsigned much_moved = 50;  // percent

Result<void> check_size(const PublishRequest& request, Bytes size) {
    const std::string image = "image " + request.image_file.string();
    if (size == Bytes(0)) return Error{Failure::usage, image + " is empty"};
    if (size.count() % WRITELOG_SECTOR_SIZE != 0)
        return Error{Failure::usage, image + " is " + std::to_string(size.count()) +
                                         " bytes long, which is not a multiple of 512: it is no disk image"};
    if (request.block_size.blocks_in(size) > Blocks(WRITELOG_MAX_BLOCKS))
        return Error{Failure::usage, image + " has more than " + std::to_string(WRITELOG_MAX_BLOCKS) +
                                         " blocks: take a larger block size"};
    return {};
}

// Runs of blocks that are not zero; the others stay holes.
Result<void> write_data(OutputFile& data, const ImageChunk& chunk, BlockSize block_size,
                        const Digest& zero_digest) {
    const std::size_t block_bytes = block_size.bytes().count();
    const auto is_zero = [&](const Digest& digest) { return digest == zero_digest; };
    const auto end = chunk.digests.end();  // of a hole there are none
    for (auto first = std::find_if_not(chunk.digests.begin(), end, is_zero); first != end;) {
        const auto last = std::find_if(first, end, is_zero);
        const auto index = static_cast<std::size_t>(first - chunk.digests.begin());
        const auto count = static_cast<std::size_t>(last - first);
        if (Result<void> written = data.write(block_size.offset_of(chunk.range.first + Blocks(index)),
                                              chunk.bytes.subspan(index * block_bytes, count * block_bytes));
            !written)
            return written;
        first = std::find_if_not(last, end, is_zero);
    }
    return {};
}

struct Written {
    Digest root_hash;
    Blocks zero_blocks;
    Bytes frames;
    std::optional<FileSystemReport> file_system;
};

// Writes the data and the hash tree into the folder.
Result<Written> write_version(const ImageFile& image, const std::filesystem::path& folder,
                              const PublishRequest& request, const format::Manifest& manifest,
                              Observer& observer, const StopFlag& stop) {
    const BlockSize block_size = manifest.block_size;
    Result<std::unique_ptr<VersionWriter>> writer =
        VersionWriter::create(folder, manifest, request.zstd_level);
    if (!writer) return writer.error();
    VersionWriter& version = **writer;
    std::optional<OutputFile> raw;
    if (request.raw) {
        Result<OutputFile> created = OutputFile::create(folder / raw_file, manifest.padded_size());
        if (!created) return created.error();
        raw = *std::move(created);
    }
    Result<std::optional<FileSystemSurvey>> survey = FileSystemSurvey::open(image, block_size);
    if (!survey) return survey.error();

    const auto consume = [&](const ImageChunk& chunk) -> Result<void> {
        if (raw)
            if (Result<void> written = write_data(*raw, chunk, block_size, version.zero_digest()); !written)
                return written;
        if (Result<void> added = chunk.hole ? version.add_zeros(chunk.range.count)
                                            : version.add(chunk.frames, chunk.frame_lengths, chunk.digests);
            !added)
            return added;
        if (*survey)
            if (Result<void> added = (*survey)->add(chunk); !added) return added;
        observer.progress(activity, std::min(block_size.offset_of(chunk.range.end()), manifest.size),
                          manifest.size);
        return {};
    };
    const ImageFormat format{block_size, manifest.salt, version.zero_digest(), request.zstd_level};
    if (Result<void> streamed = stream_image(image, format, stop, consume); !streamed)
        return streamed.error();
    if (Result<void> unchanged = image.check_unchanged(); !unchanged) return unchanged.error();

    const Result<VersionWriter::Written> written = version.finish();
    if (!written) return written.error();
    if (raw)
        if (Result<void> synced = raw->sync(); !synced) return synced.error();
    std::optional<FileSystemReport> file_system;
    if (*survey) file_system = (*survey)->report();
    return Written{written->root_hash, version.zero_blocks(), written->frames, file_system};
}

// The newest version before this one, if it can be compared.
std::optional<format::Manifest> version_before(const NewVersion& version, const format::Manifest& manifest) {
    std::uint64_t newest = 0;
    if (const Result<std::vector<std::string>> names = names_in(version.image_path()))
        for (const std::string& name : *names)
            if (const auto number = version_of(name); number && *number < manifest.version)
                newest = std::max(newest, *number);
    if (newest == 0) return std::nullopt;
    const Result<StoredManifest> stored = read_manifest(version.image_path(), manifest.image, newest);
    if (!stored || !format::are_comparable(stored->manifest, manifest)) return std::nullopt;
    return stored->manifest;
}

Result<std::optional<Moved>> difference_to_version_before(const NewVersion& version,
                                                          const format::Manifest& manifest,
                                                          Observer& observer, const StopFlag& stop) {
    const std::optional<format::Manifest> before = version_before(version, manifest);
    if (!before) return std::optional<Moved>();
    Result<StoredVersion> now = StoredVersion::open(version.path(), manifest);
    if (!now) return now.error();
    Result<StoredVersion> stored =
        StoredVersion::open(version.image_path() / std::to_string(before->version), *before);
    Result<Moved> moved = stored ? moved_between(*std::move(stored), *std::move(now), manifest, stop)
                                 : Result<Moved>(stored.error());
    if (!moved && moved.error().kind == Failure::interrupted) return moved.error();
    if (!moved) {
        observer.event("version " + std::to_string(before->version) +
                       " is not compared with: " + moved.error().message);
        return std::optional<Moved>();
    }
    moved->from_version = before->version;
    if (moved->moved_percent && *moved->moved_percent >= much_moved)
        observer.event(
            "WARNING: " + format_size(manifest.block_size.bytes_of(moved->differing)) +
            " differ from version " + std::to_string(before->version) + ", and " +
            std::to_string(*moved->moved_percent) +
            " % of what is new in them was at other places before: \"The next image\" in regild(8) "
            "tells how less would differ");
    return std::optional(*moved);
}

// A kiosk mounts the volume as a file system; what cannot be mounted is published all the same, for whoever
// has another use for it.
void warn_about_content(const PublishRequest& request, Observer& observer) {
    const Result<block::Probe> probe = block::Probe::open(request.image_file);
    if (!probe) return;
    const Result<std::vector<std::string>> signatures = probe->signatures();
    if (!signatures) return;
    const std::string image = "WARNING: image " + request.image_file.string();
    for (const std::string& signature : *signatures) {
        if (!signature.ends_with("partition table")) continue;
        std::string warning = image;
        warning += " is a whole disk with a ";
        warning += signature;
        warning += ": to boot from the volume, publish its root file system alone";
        observer.event(warning);
        return;
    }
    if (signatures->empty())
        observer.event(image + " holds no file system that libblkid knows: nothing can mount the volume");
}

}  // namespace

Result<PublishReport> publish(const PublishRequest& request, Observer& observer, const StopFlag& stop) {
    if (Result<void> valid = codec::check_zstd_level(static_cast<std::uint64_t>(request.zstd_level)); !valid)
        return valid.error();
    const Result<ImageFile> image = ImageFile::open(request.image_file);
    if (!image) return image.error();
    if (Result<void> valid = check_size(request, image->size()); !valid) return valid.error();
    Result<NewVersion> version =
        NewVersion::begin(request.store, request.image, request.version, request.channel);
    if (!version) return version.error();

    warn_about_content(request, observer);
    const Digest salt = codec::image_salt(request.image);
    format::Manifest manifest{.image = request.image,
                              .version = request.version,
                              .size = image->size(),
                              .block_size = request.block_size,
                              .data_file = "image.zst",
                              .index_file = "image.index",
                              .tree_file = "image.verity",
                              .salt = ByteVector(salt.begin(), salt.end()),
                              .tree_uuid = codec::version_uuid(request.image, request.version),
                              .root_hash = {}};
    const Result<Written> written = write_version(*image, version->path(), request, manifest, observer, stop);
    if (!written) return written.error();
    manifest.root_hash = written->root_hash;
    const Result<std::optional<Moved>> difference =
        difference_to_version_before(*version, manifest, observer, stop);
    if (!difference) return difference.error();
    if (Result<void> committed = version->commit(manifest); !committed) return committed.error();

    std::vector<Advice> advice;
    if (written->file_system) advice = advice_for(*written->file_system, request.image_file);
    return PublishReport{.manifest = std::move(manifest),
                         .zero_blocks = written->zero_blocks,
                         .compressed = written->frames,
                         .file_system = written->file_system,
                         .advice = std::move(advice),
                         .difference = *difference,
                         .manifest_path = version->manifest_path(),
                         .channel_path = version->channel_path()};
}

}  // namespace regild::publish
