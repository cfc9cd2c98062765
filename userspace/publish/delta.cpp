// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/delta.hpp"

#include <fcntl.h>

#include <algorithm>

#include "base/read_all.hpp"
#include "codec/version_identity.hpp"
#include "format/frame_index.hpp"
#include "publish/delta_reader.hpp"
#include "publish/documents.hpp"
#include "publish/new_version.hpp"
#include "publish/version_writer.hpp"

namespace regild::publish {
namespace {

constexpr const char* activity = "publishing";

// Blocks that are handled together: those of a hash block, and of some whole pages of the index.
constexpr std::uint64_t group_blocks = format::hashes_per_block;
constexpr std::uint64_t group_pages = group_blocks / format::frames_per_page;
static_assert(group_blocks % format::frames_per_page == 0);

// A file of the version that the delta is a difference to.
class BaseFile {
  public:
    static Result<BaseFile> open(const std::filesystem::path& path) {
        Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!fd) return errno_error("cannot open " + path.string());
        return BaseFile(std::move(fd), path);
    }
    Result<void> read(Bytes offset, ByteSpan into) const {
        const std::optional<std::size_t> got = read_all(fd_.get(), into, static_cast<off_t>(offset.count()));
        if (!got) return errno_error("cannot read " + path_.string());
        if (*got < into.size()) return Error{Failure::refused, path_.string() + " is too short"};
        return {};
    }

  private:
    BaseFile(Fd fd, std::filesystem::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Fd fd_;
    std::filesystem::path path_;
};

// The blocks of that version, a group at a time. What it says of them counts once the whole new version has
// the root hash that it must have; frames are not looked into.
class Base {
  public:
    static Result<Base> open(const std::filesystem::path& folder, const format::Manifest& manifest,
                             const Digest& zero_digest) {
        Result<BaseFile> data = BaseFile::open(folder / manifest.data_file);
        if (!data) return data.error();
        Result<BaseFile> index = BaseFile::open(folder / manifest.index_file);
        if (!index) return index.error();
        Result<BaseFile> tree = BaseFile::open(folder / manifest.tree_file);
        if (!tree) return tree.error();
        return Base(*std::move(data), *std::move(index), *std::move(tree), folder, manifest, zero_digest);
    }

    std::vector<Digest> digests;  // of the group's blocks
    ConstByteSpan frame(std::uint64_t number) const {
        const format::Frame& at = frames_[number];
        if (at.length == Bytes(0)) return {};
        return ConstByteSpan(data_).subspan((at.offset - data_offset_).count(), at.length.count());
    }

    Result<void> load(BlockRange group) {
        if (Result<void> loaded = load_digests(group); !loaded) return loaded;
        if (Result<void> loaded = load_index(group); !loaded) return loaded;
        return load_data();
    }

  private:
    Base(BaseFile data, BaseFile index, BaseFile tree, std::filesystem::path folder,
         const format::Manifest& manifest, const Digest& zero_digest)
        : data_file_(std::move(data)),
          index_file_(std::move(index)),
          tree_file_(std::move(tree)),
          folder_(std::move(folder)),
          manifest_(manifest),
          shape_(manifest.blocks()),
          zero_digest_(zero_digest) {}

    Error damaged() const {
        return {Failure::refused, (folder_ / manifest_.index_file).string() +
                                      " is damaged: the version that the delta builds on is not whole"};
    }

    Result<void> load_digests(BlockRange group) {
        digests.assign(group.count.count(), manifest_.root_hash);
        if (shape_.levels() == 0) return {};
        return tree_file_.read(shape_.offset_of(0, group.first.value() / format::hashes_per_block),
                               std::as_writable_bytes(std::span(digests)));
    }

    // Zeros have no frame of their own, and need none.
    Result<void> load_index(BlockRange group) {
        const std::uint64_t pages = divide_up(group.count.count(), format::frames_per_page);
        ByteVector bytes(pages * format::index_page_size);
        const std::uint64_t first = group.first.value() / format::frames_per_page;
        if (Result<void> read = index_file_.read(Bytes(first * format::index_page_size), bytes); !read)
            return read;
        frames_.clear();
        for (std::uint64_t page = 0; page < pages; ++page) {
            const auto parsed = format::FrameIndexPage::parse(ConstByteSpan(bytes)
                                                                  .subspan(page * format::index_page_size)
                                                                  .first<format::index_page_size>());
            if (!parsed) return damaged();
            for (std::size_t i = 0; i < format::frames_per_page && frames_.size() < digests.size(); ++i) {
                const bool zero = digests[frames_.size()] == zero_digest_;
                frames_.push_back(zero ? format::Frame{} : parsed->frame(i));
                if (!zero && frames_.back().length == Bytes(0)) return damaged();
            }
        }
        return {};
    }

    // From the group's first frame to its last one; frames of zeros between them are short.
    Result<void> load_data() {
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

    BaseFile data_file_;
    BaseFile index_file_;
    BaseFile tree_file_;
    std::filesystem::path folder_;
    format::Manifest manifest_;
    format::HashTreeShape shape_;
    Digest zero_digest_;
    std::vector<format::Frame> frames_;  // of the group's blocks
    ByteVector data_;
    Bytes data_offset_;
};

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

Result<Blocks> write_blocks(Base& base, DeltaReader& delta, VersionWriter& version, Observer& observer,
                            const StopFlag& stop) {
    const format::Manifest& manifest = delta.manifest();
    const BlockIndex end = BlockIndex() + manifest.blocks();
    Blocks changed;
    Result<std::optional<DeltaBlock>> next = delta.next();
    for (BlockIndex at; at < end;) {
        if (stop.requested()) return Error{Failure::interrupted, "interrupted"};
        const BlockRange group{at, std::min(Blocks(group_blocks), end - at)};
        if (Result<void> loaded = base.load(group); !loaded) return loaded.error();
        for (std::uint64_t i = 0; i < group.count.count(); ++i) {
            if (!next) return next.error();
            const bool is_changed = *next && (*next)->index == group.first + Blocks(i);
            const ConstByteSpan frame = is_changed ? (*next)->frame : base.frame(i);
            const Digest& digest = is_changed ? (*next)->digest : base.digests[i];
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
    Result<Base> blocks =
        Base::open(version->image_path() / std::to_string(base->version), *base, (*writer)->zero_digest());
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
