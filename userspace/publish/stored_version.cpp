// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/stored_version.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/read_all.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"

namespace regild::publish {
namespace {

// Those of a hash block, and of some whole pages of the index.
constexpr std::uint64_t group_blocks = format::hashes_per_block;
static_assert(group_blocks % format::frames_per_page == 0);

}  // namespace

Result<StoredVersion::File> StoredVersion::File::open(const std::filesystem::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open " + path.string());
    return File(std::move(fd), path);
}

Result<void> StoredVersion::File::read(Bytes offset, ByteSpan into) const {
    const std::optional<std::size_t> got = read_all(fd_.get(), into, static_cast<off_t>(offset.count()));
    if (!got) return errno_error("cannot read " + path_.string());
    if (*got < into.size()) return Error{Failure::refused, path_.string() + " is too short"};
    return {};
}

Result<StoredVersion> StoredVersion::open(const std::filesystem::path& folder,
                                          const format::Manifest& manifest) {
    Result<File> data = File::open(folder / manifest.data_file);
    if (!data) return data.error();
    Result<File> index = File::open(folder / manifest.index_file);
    if (!index) return index.error();
    Result<File> tree = File::open(folder / manifest.tree_file);
    if (!tree) return tree.error();
    return StoredVersion(*std::move(data), *std::move(index), *std::move(tree), folder, manifest);
}

StoredVersion::StoredVersion(File data, File index, File tree, std::filesystem::path folder,
                             const format::Manifest& manifest)
    : data_file_(std::move(data)),
      index_file_(std::move(index)),
      tree_file_(std::move(tree)),
      folder_(std::move(folder)),
      manifest_(manifest),
      shape_(manifest.blocks()),
      zero_digest_(codec::SaltedSha256(manifest.salt)(ByteVector(manifest.block_size.bytes().count()))) {}

Error StoredVersion::damaged() const {
    return {Failure::refused, (folder_ / manifest_.index_file).string() + " is damaged"};
}

Result<BlockRange> StoredVersion::load(BlockIndex first) {
    Result<BlockRange> group = load_digests(first);
    if (!group) return group;
    if (Result<void> loaded = load_index(*group); !loaded) return loaded.error();
    if (Result<void> loaded = load_data(); !loaded) return loaded.error();
    return group;
}

ConstByteSpan StoredVersion::frame(std::uint64_t number) const {
    const format::Frame& at = frames_[number];
    if (at.length == Bytes(0)) return {};
    return ConstByteSpan(data_).subspan((at.offset - data_offset_).count(), at.length.count());
}

Result<BlockRange> StoredVersion::load_digests(BlockIndex first) {
    const BlockIndex end = BlockIndex() + manifest_.blocks();
    const BlockRange group{first, std::min(Blocks(group_blocks), end - first)};
    digests_.assign(group.count.count(), manifest_.root_hash);
    if (shape_.levels() == 0) return group;
    if (Result<void> read = tree_file_.read(shape_.offset_of(0, first.value() / format::hashes_per_block),
                                            std::as_writable_bytes(std::span(digests_)));
        !read)
        return read.error();
    return group;
}

// Zeros have no frame of their own, and need none.
Result<void> StoredVersion::load_index(BlockRange group) {
    const std::uint64_t pages = divide_up(group.count.count(), format::frames_per_page);
    ByteVector bytes(pages * format::index_page_size);
    const std::uint64_t first = group.first.value() / format::frames_per_page;
    if (Result<void> read = index_file_.read(Bytes(first * format::index_page_size), bytes); !read)
        return read;
    frames_.clear();
    for (std::uint64_t page = 0; page < pages; ++page) {
        const auto parsed = format::FrameIndexPage::parse(
            ConstByteSpan(bytes).subspan(page * format::index_page_size).first<format::index_page_size>());
        if (!parsed) return damaged();
        for (std::size_t i = 0; i < format::frames_per_page && frames_.size() < digests_.size(); ++i) {
            const bool zero = digests_[frames_.size()] == zero_digest_;
            frames_.push_back(zero ? format::Frame{} : parsed->frame(i));
            if (!zero && frames_.back().length == Bytes(0)) return damaged();
        }
    }
    return {};
}

// From the group's first frame to its last one; frames of zeros between them are short.
Result<void> StoredVersion::load_data() {
    data_offset_ = Bytes(INT64_MAX);
    Bytes end;
    for (const format::Frame& frame : frames_) {
        if (frame.length == Bytes(0)) continue;
        data_offset_ = std::min(data_offset_, frame.offset);
        end = std::max(end, frame.end());
    }
    if (end == Bytes(0)) return {};
    const Bytes longest(2 * group_blocks * codec::longest_frame(manifest_.block_size.bytes()).count());
    if (end - data_offset_ > longest) return damaged();
    data_.resize((end - data_offset_).count());
    return data_file_.read(data_offset_, data_);
}

}  // namespace regild::publish
