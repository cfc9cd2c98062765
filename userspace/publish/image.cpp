// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/image.hpp"

#include <fcntl.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "base/read_all.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"

namespace regild::publish {
namespace {

constexpr Bytes chunk_size = MiB(1);
constexpr Blocks longest_hole{1 << 16};  // so that the consumer sees a stop request soon
constexpr unsigned most_workers = 64;
constexpr unsigned chunks_per_worker = 4;

// A ring of chunks. The reader fills them in order, each worker takes the next filled one, the consumer gets
// them in order again: written <= taken <= filled <= written + ring size.
class Pipeline {
  public:
    Pipeline(const ImageFile& image, const ImageFormat& format);
    ~Pipeline() { end({}); }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    Result<void> run(const StopFlag& stop, const std::function<Result<void>(const ImageChunk&)>& consume);

  private:
    struct Slot {
        BlockRange range;
        bool hole = false;
        bool worked = false;
        ByteVector bytes;
        std::vector<Digest> digests;
        ByteVector frames;
        std::size_t frames_size = 0;
        std::vector<std::uint32_t> frame_lengths;
    };
    Slot& slot(std::uint64_t number) { return ring_[number % ring_.size()]; }
    std::size_t block_bytes() const { return format_.block_size.bytes().count(); }

    void read_image();
    Result<void> fill(Slot& chunk, BlockIndex from);
    void work_on_chunks();
    Result<void> work_on(Slot& chunk, codec::SaltedSha256& hasher, codec::Compressor& compressor) const;
    // Everybody stops as soon as they look; the first error counts.
    void end(std::optional<Error> error);

    const ImageFile& image_;
    const ImageFormat format_;
    const BlockIndex end_;
    block::DataExtent data_{};  // the reader's: where the image was last seen to have data

    std::mutex mutex_;  // guards what follows, and each slot's `worked`
    std::condition_variable changed_;
    std::uint64_t filled_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t written_ = 0;
    bool all_filled_ = false;
    bool ended_ = false;
    std::optional<Error> error_;

    std::vector<Slot> ring_;
    std::vector<std::jthread> threads_;  // last: joined before the rest goes
};

Pipeline::Pipeline(const ImageFile& image, const ImageFormat& format)
    : image_(image), format_(format), end_(format.block_size.blocks_in(image.size()).count()) {
    const unsigned workers = std::clamp(std::thread::hardware_concurrency(), 1u, most_workers);
    ring_.resize(std::size_t{workers} * chunks_per_worker);
    for (Slot& slot : ring_) {
        slot.bytes.resize(chunk_size.count());
        slot.digests.resize(chunk_size.count() / block_bytes());
        slot.frames.resize(slot.digests.size() * codec::longest_frame(format.block_size.bytes()).count());
        slot.frame_lengths.resize(slot.digests.size());
    }
    threads_.emplace_back([this] { read_image(); });
    for (unsigned i = 0; i < workers; i++)
        threads_.emplace_back([this] { work_on_chunks(); });
}

void Pipeline::end(std::optional<Error> error) {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        if (!error_) error_ = std::move(error);
    }
    changed_.notify_all();
}

// The next chunk from `from` on: a run of blocks that are all hole, or of blocks that were read.
Result<void> Pipeline::fill(Slot& chunk, BlockIndex from) {
    const Bytes offset = format_.block_size.offset_of(from);
    if (offset >= data_.end) {
        Result<block::DataExtent> data = image_.next_data(offset);
        if (!data) return data.error();
        data_ = *data;
    }
    const BlockIndex data_start =
        std::min(BlockIndex(data_.start.count() / block_bytes()), end_);  // rounded outward
    chunk.hole = data_start > from;
    if (chunk.hole) {
        chunk.range = {from, std::min(data_start - from, longest_hole)};
        return {};
    }
    const Blocks data_blocks = BlockIndex(format_.block_size.blocks_in(data_.end).count()) - from;
    chunk.range = {from, std::min(data_blocks, Blocks(chunk.digests.size()))};
    const std::size_t length = format_.block_size.bytes_of(chunk.range.count).count();
    return image_.read(offset, ByteSpan(chunk.bytes).first(length));
}

void Pipeline::read_image() {
    for (BlockIndex next; next < end_;) {
        std::uint64_t number;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return ended_ || filled_ < written_ + ring_.size(); });
            if (ended_) return;
            number = filled_;
        }
        // Filled by nobody else and not yet visible to the workers: no lock.
        Slot& free = slot(number);
        if (Result<void> filled = fill(free, next); !filled) return end(filled.error());
        next = free.range.end();
        {
            const std::lock_guard lock(mutex_);
            free.worked = false;
            filled_++;
            all_filled_ = next >= end_;
        }
        changed_.notify_all();
    }
}

Result<void> Pipeline::work_on(Slot& chunk, codec::SaltedSha256& hasher,
                               codec::Compressor& compressor) const {
    chunk.frames_size = 0;
    if (chunk.hole) return {};
    for (std::size_t i = 0; i < chunk.range.count.count(); i++) {
        const ConstByteSpan block = ConstByteSpan(chunk.bytes).subspan(i * block_bytes(), block_bytes());
        chunk.frame_lengths[i] = 0;
        if (all_zero(block)) {
            chunk.digests[i] = format_.zero_digest;
            continue;
        }
        chunk.digests[i] = hasher(block);
        const Result<Bytes> length =
            compressor.compress(block, ByteSpan(chunk.frames).subspan(chunk.frames_size));
        if (!length) return length.error();
        chunk.frame_lengths[i] = static_cast<std::uint32_t>(length->count());
        chunk.frames_size += length->count();
    }
    return {};
}

void Pipeline::work_on_chunks() {
    codec::SaltedSha256 hasher(format_.salt);
    codec::Compressor compressor(format_.zstd_level);
    for (;;) {
        std::uint64_t number;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return ended_ || all_filled_ || taken_ < filled_; });
            if (ended_ || taken_ == filled_) return;
            number = taken_++;
        }
        if (Result<void> worked = work_on(slot(number), hasher, compressor); !worked)
            return end(worked.error());
        {
            const std::lock_guard lock(mutex_);
            slot(number).worked = true;
        }
        changed_.notify_all();
    }
}

Result<void> Pipeline::run(const StopFlag& stop,
                           const std::function<Result<void>(const ImageChunk&)>& consume) {
    for (std::uint64_t number = 0;; number++) {
        Slot& ready = slot(number);
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] {
                return ended_ || (number < filled_ && ready.worked) || (all_filled_ && number == filled_);
            });
            if (ended_) return *error_;
            if (number == filled_) return {};
        }
        if (stop.requested()) return Error{Failure::interrupted, "interrupted"};
        const std::size_t blocks = ready.hole ? 0 : ready.range.count.count();
        const ImageChunk chunk{ready.range,
                               ready.hole,
                               ConstByteSpan(ready.bytes).first(blocks * block_bytes()),
                               std::span(ready.digests).first(blocks),
                               ConstByteSpan(ready.frames).first(ready.frames_size),
                               std::span(ready.frame_lengths).first(blocks)};
        if (Result<void> consumed = consume(chunk); !consumed) return consumed;
        {
            const std::lock_guard lock(mutex_);
            written_++;
        }
        changed_.notify_all();
    }
}

}  // namespace

Result<ImageFile> ImageFile::open(const std::filesystem::path& path) {
    struct stat opened {};
    if (stat(path.c_str(), &opened) != 0) return errno_error("cannot open image " + path.string());
    if (!S_ISREG(opened.st_mode) && !S_ISBLK(opened.st_mode))
        return Error{Failure::usage, "image " + path.string() + " is neither a file nor a block device"};
    // O_EXCL on a block device: nobody has it mounted, so nobody changes it while it is read.
    const int exclusive = S_ISBLK(opened.st_mode) ? O_EXCL : 0;
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | exclusive));
    if (!fd && errno == EBUSY)
        return Error{Failure::refused, "image " + path.string() + " is in use: unmount it first"};
    if (!fd || fstat(fd.get(), &opened) != 0) return errno_error("cannot open image " + path.string());
    const off_t size = lseek(fd.get(), 0, SEEK_END);
    if (size < 0) return errno_error("cannot find the size of image " + path.string());
    posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    return ImageFile(std::move(fd), path, opened, Bytes(static_cast<std::uint64_t>(size)));
}

Result<void> ImageFile::read(Bytes offset, ByteSpan into) const {
    const std::size_t length =
        std::min<std::uint64_t>(into.size(), offset < size_ ? (size_ - offset).count() : 0);
    const std::optional<std::size_t> got =
        read_all(fd_.get(), into.first(length), static_cast<off_t>(offset.count()));
    if (!got) return errno_error("cannot read image " + path_.string());
    if (*got < length)
        return Error{Failure::failed, "image " + path_.string() + " became shorter while it was read"};
    std::fill(into.begin() + static_cast<std::ptrdiff_t>(length), into.end(), std::byte{0});
    return {};
}

Result<block::DataExtent> ImageFile::next_data(Bytes offset) const {
    Result<block::DataExtent> data = block::next_data(fd_.get(), offset, size_);
    if (!data) return data.error().context("image " + path_.string());
    return data;
}

Result<void> ImageFile::check_unchanged() const {
    if (!S_ISREG(opened_.st_mode)) return {};
    struct stat now {};
    if (fstat(fd_.get(), &now) != 0) return errno_error("cannot look at image " + path_.string());
    if (now.st_size != opened_.st_size || now.st_mtim.tv_sec != opened_.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != opened_.st_mtim.tv_nsec)
        return Error{Failure::failed, "image " + path_.string() +
                                          " changed while it was read: stop what writes it, then try again"};
    return {};
}

Result<void> stream_image(const ImageFile& image, const ImageFormat& format, const StopFlag& stop,
                          const std::function<Result<void>(const ImageChunk&)>& consume) {
    return Pipeline(image, format).run(stop, consume);
}

}  // namespace regild::publish
