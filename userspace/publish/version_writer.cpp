// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/version_writer.hpp"

#include "format/frame_index.hpp"

namespace regild::publish {

Result<std::unique_ptr<VersionWriter>> VersionWriter::create(const std::filesystem::path& folder,
                                                             const format::Manifest& manifest,
                                                             int zstd_level) {
    Result<OutputFile> frames = OutputFile::create(folder / manifest.data_file, Bytes(0));
    if (!frames) return frames.error();
    Result<OutputFile> index =
        OutputFile::create(folder / manifest.index_file, format::index_file_size(manifest.blocks()));
    if (!index) return index.error();
    const format::HashTreeShape shape(manifest.blocks());
    Result<OutputFile> tree = OutputFile::create(folder / manifest.tree_file, shape.file_size());
    if (!tree) return tree.error();
    if (Result<void> written =
            tree->write(Bytes(0), format::serialize_verity_superblock(manifest.tree_uuid, manifest.block_size,
                                                                      manifest.blocks(), manifest.salt));
        !written)
        return written.error();
    return std::unique_ptr<VersionWriter>(
        new VersionWriter(*std::move(frames), *std::move(index), *std::move(tree), manifest, zstd_level));
}

VersionWriter::VersionWriter(OutputFile frames, OutputFile index, OutputFile tree,
                             const format::Manifest& manifest, int zstd_level)
    : frames_file_(std::move(frames)),
      index_file_(std::move(index)),
      tree_file_(std::move(tree)),
      zero_digest_(codec::SaltedSha256(manifest.salt)(ByteVector(manifest.block_size.bytes().count()))),
      frames_(frames_file_, index_file_, manifest.block_size, zstd_level),
      tree_(tree_file_, manifest.blocks(), manifest.salt) {}

Result<void> VersionWriter::add(ConstByteSpan frames, std::span<const std::uint32_t> lengths,
                                std::span<const Digest> digests) {
    if (Result<void> added = frames_.add(frames, lengths); !added) return added;
    for (const Digest& digest : digests) {
        if (digest == zero_digest_) zero_blocks_ += Blocks(1);
        if (Result<void> added = tree_.add(digest); !added) return added;
    }
    return {};
}

Result<void> VersionWriter::add_zeros(Blocks count) {
    frames_.add_zeros(count);
    zero_blocks_ += count;
    for (std::uint64_t i = 0; i < count.count(); ++i)
        if (Result<void> added = tree_.add(zero_digest_); !added) return added;
    return {};
}

Result<VersionWriter::Written> VersionWriter::finish() {
    const Result<Bytes> frames = frames_.finish();
    if (!frames) return frames.error();
    const Result<Digest> root = tree_.finish();
    if (!root) return root.error();
    for (OutputFile* file : {&frames_file_, &index_file_, &tree_file_})
        if (Result<void> synced = file->sync(); !synced) return synced.error();
    return Written{*root, *frames};
}

}  // namespace regild::publish
