// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/publish.hpp"

#include <regild/writelog_format.h>

#include <algorithm>

#include "block/probe.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "publish/channel.hpp"
#include "publish/file_system.hpp"
#include "publish/folder.hpp"
#include "publish/frames.hpp"
#include "publish/image.hpp"
#include "publish/tree.hpp"

namespace regild::publish {
namespace {

constexpr const char* activity = "publishing";
constexpr const char* raw_file = "image.raw";

Digest image_salt(const std::string& image) {
    return codec::SaltedSha256(as_bytes("regild salt "))(as_bytes(image));
}

Uuid version_uuid(const std::string& image, std::uint64_t version) {
    const Digest digest =
        codec::SaltedSha256(as_bytes("regild tree "))(as_bytes(image + " " + std::to_string(version)));
    Uuid uuid;
    std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
    uuid.bytes[6] = (uuid.bytes[6] & std::byte{0x0f}) | std::byte{0x80};  // version 8
    uuid.bytes[8] = (uuid.bytes[8] & std::byte{0x3f}) | std::byte{0x80};  // RFC variant
    return uuid;
}

Result<void> check_names(const PublishRequest& request) {
    if (!format::is_valid_name(request.image))
        return Error{Failure::usage, "'" + request.image +
                                         "' cannot be the name of an image: use small letters, digits and "
                                         "._-, beginning with a letter or digit, at most 63"};
    if (request.channel)
        if (Result<void> valid = check_channel_name(*request.channel); !valid) return valid;
    if (request.zstd_level < codec::lowest_zstd_level || request.zstd_level > codec::highest_zstd_level)
        return Error{Failure::usage, "a zstd level is a number from " +
                                         std::to_string(codec::lowest_zstd_level) + " to " +
                                         std::to_string(codec::highest_zstd_level)};
    if (request.version == 0 || request.version > format::max_version)
        return Error{Failure::usage,
                     "a version is a number from 1 to " + std::to_string(format::max_version)};
    return {};
}

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
    Blocks zero_blocks;
    Bytes frames;
    std::optional<FileSystemReport> file_system;
};

// Writes the data and the hash tree into the folder; adds the root hash to the manifest.
Result<Written> write_version(const ImageFile& image, const std::filesystem::path& folder,
                              const PublishRequest& request, format::Manifest& manifest, Observer& observer,
                              const StopFlag& stop) {
    const BlockSize block_size = manifest.block_size;
    const Digest zero_digest = codec::SaltedSha256(manifest.salt)(ByteVector(block_size.bytes().count()));
    const format::HashTreeShape shape(manifest.blocks());

    Result<OutputFile> frames_file = OutputFile::create(folder / manifest.data_file, Bytes(0));
    if (!frames_file) return frames_file.error();
    Result<OutputFile> index_file =
        OutputFile::create(folder / manifest.index_file, format::index_file_size(manifest.blocks()));
    if (!index_file) return index_file.error();
    std::optional<OutputFile> raw;
    if (request.raw) {
        Result<OutputFile> created = OutputFile::create(folder / raw_file, manifest.padded_size());
        if (!created) return created.error();
        raw = *std::move(created);
    }
    Result<OutputFile> tree_file = OutputFile::create(folder / manifest.tree_file, shape.file_size());
    if (!tree_file) return tree_file.error();
    if (Result<void> written =
            tree_file->write(Bytes(0), format::serialize_verity_superblock(manifest.tree_uuid, block_size,
                                                                           manifest.blocks(), manifest.salt));
        !written)
        return written.error();
    HashTreeWriter tree(*tree_file, manifest.blocks(), manifest.salt);
    FramesWriter frames(*frames_file, *index_file, block_size, request.zstd_level);
    Result<std::optional<FileSystemSurvey>> survey = FileSystemSurvey::open(image, block_size);
    if (!survey) return survey.error();

    Written result;
    const auto consume = [&](const ImageChunk& chunk) -> Result<void> {
        if (raw)
            if (Result<void> written = write_data(*raw, chunk, block_size, zero_digest); !written)
                return written;
        if (chunk.hole) frames.add_zeros(chunk.range.count);
        if (Result<void> added = frames.add(chunk.frames, chunk.frame_lengths); !added) return added;
        if (*survey)
            if (Result<void> added = (*survey)->add(chunk); !added) return added;
        for (std::uint64_t i = 0; i < chunk.range.count.count(); i++) {
            const Digest& digest = chunk.hole ? zero_digest : chunk.digests[i];
            if (digest == zero_digest) result.zero_blocks += Blocks(1);
            if (Result<void> added = tree.add(digest); !added) return added;
        }
        observer.progress(activity, std::min(block_size.offset_of(chunk.range.end()), manifest.size),
                          manifest.size);
        return {};
    };
    const ImageFormat format{block_size, manifest.salt, zero_digest, request.zstd_level};
    if (Result<void> streamed = stream_image(image, format, stop, consume); !streamed)
        return streamed.error();
    if (Result<void> unchanged = image.check_unchanged(); !unchanged) return unchanged.error();

    const Result<Bytes> frames_size = frames.finish();
    if (!frames_size) return frames_size.error();
    result.frames = *frames_size;
    if (*survey) result.file_system = (*survey)->report();
    const Result<Digest> root = tree.finish();
    if (!root) return root.error();
    manifest.root_hash = *root;
    for (OutputFile* file : {&*frames_file, &*index_file, raw ? &*raw : nullptr, &*tree_file})
        if (file)
            if (Result<void> synced = file->sync(); !synced) return synced.error();
    return result;
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
    if (Result<void> valid = check_names(request); !valid) return valid.error();
    const Result<ImageFile> image = ImageFile::open(request.image_file);
    if (!image) return image.error();
    if (Result<void> valid = check_size(request, image->size()); !valid) return valid.error();

    Result<ImageFolder> folder = ImageFolder::open(request.store, request.image);
    if (!folder) return folder.error();
    const std::filesystem::path version_path = folder->path() / std::to_string(request.version);
    if (std::filesystem::exists(version_path))
        return Error{Failure::refused, version_path.string() +
                                           " exists; a version is never overwritten: publish under the next "
                                           "number"};
    std::optional<NextChannel> channel;
    if (request.channel) {
        Result<NextChannel> next = next_channel(*folder, request.image, *request.channel, request.version);
        if (!next) return next.error();
        channel = *std::move(next);
    }
    if (Result<void> removed = folder->remove_leftovers(); !removed) return removed.error();

    warn_about_content(request, observer);
    const Digest salt = image_salt(request.image);
    format::Manifest manifest{.image = request.image,
                              .version = request.version,
                              .size = image->size(),
                              .block_size = request.block_size,
                              .data_file = "image.zst",
                              .index_file = "image.index",
                              .tree_file = "image.verity",
                              .salt = ByteVector(salt.begin(), salt.end()),
                              .tree_uuid = version_uuid(request.image, request.version),
                              .root_hash = {}};
    Result<PartialVersion> partial = PartialVersion::create(*folder, request.version);
    if (!partial) return partial.error();
    const Result<Written> written_version =
        write_version(*image, partial->path(), request, manifest, observer, stop);
    if (!written_version) return written_version.error();

    const std::string manifest_text = format::serialize_manifest(manifest);
    Result<OutputFile> manifest_file = OutputFile::create(partial->path() / manifest_name, Bytes(0));
    if (!manifest_file) return manifest_file.error();
    if (Result<void> written = manifest_file->write(Bytes(0), as_bytes(manifest_text)); !written)
        return written.error();
    if (Result<void> synced = manifest_file->sync(); !synced) return synced.error();
    if (Result<void> committed = partial->commit(); !committed) return committed.error();

    if (channel)
        if (Result<void> written = write_channel(*channel); !written)
            return written.error().context("version " + std::to_string(request.version) +
                                           " is published, but its channel is not");
    std::vector<Advice> advice;
    if (written_version->file_system) advice = advice_for(*written_version->file_system, request.image_file);
    return PublishReport{.manifest = std::move(manifest),
                         .zero_blocks = written_version->zero_blocks,
                         .compressed = written_version->frames,
                         .file_system = written_version->file_system,
                         .advice = std::move(advice),
                         .manifest_path = version_path / manifest_name,
                         .channel_path = channel ? channel->path : std::filesystem::path()};
}

}  // namespace regild::publish
