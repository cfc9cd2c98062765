// SPDX-License-Identifier: GPL-2.0-or-later
// A golden image with its hash tree, a server in memory that has it, and a disk with
// a log whose operations are recorded in one common order.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <random>

#include "codec/sha256.hpp"
#include "codec/zstd.hpp"
#include "format/frame_index.hpp"
#include "log_fixture.hpp"
#include "memory_storage.hpp"
#include "net/allowance.hpp"
#include "silent_observer.hpp"
#include "store/source.hpp"
#include "url.hpp"
#include "volume/restore.hpp"

namespace regild::test {

inline std::unique_ptr<net::Fetcher> offline_fetcher() {
    static const StopFlag stop;
    return net::make_offline_fetcher(net::make_http_fetcher({}, stop));
}

inline BlockSize block_size_of(std::uint64_t bytes) {
    return BlockSize::from_bytes(bytes).value();
}

// Of an image whose root hash is not known yet.
inline format::Manifest manifest_of(BlockSize block_size, Bytes size) {
    return {.image = "kiosk",
            .version = 1,
            .size = size,
            .block_size = block_size,
            .data_file = "image.zst",
            .index_file = "image.index",
            .tree_file = "image.verity",
            .salt = ByteVector(32, std::byte{7}),
            .tree_uuid = {},
            .root_hash = {}};
}

// An image of which every block is different but for those that are zero, and what publish would make of it.
struct GoldenImage {
    format::Manifest manifest;
    ByteVector padded;
    ByteVector tree_file;
    ByteVector frames;
    ByteVector index_file;

    ConstByteSpan block(std::uint64_t index) const {
        const std::size_t bytes = manifest.block_size.bytes().count();
        return ConstByteSpan(padded).subspan(index * bytes, bytes);
    }
    ConstByteSpan unpadded() const { return ConstByteSpan(padded).first(manifest.size.count()); }
    store::Source source() const {
        return {manifest,
                format::serialize_manifest(manifest),
                "",
                url("http://store/1/image.zst"),
                url("http://store/1/image.index"),
                url("http://store/1/image.verity"),
                ""};
    }
    // Blocks to rewrite in the tree or the data by hand need these made again.
    void make_tree();
    void make_frames();
    format::Frame frame(std::uint64_t index) const;
    // Those whose frames are exactly there in `frames`.
    BlockRange blocks_of(format::Frame range) const;
    // From the digests of all blocks.
    void set_tree(std::vector<Digest> digests);
};

inline GoldenImage make_golden_image(BlockSize block_size, Bytes size,
                                     const std::function<bool(std::uint64_t)>& is_zero) {
    GoldenImage image{.manifest = manifest_of(block_size, size),
                      .padded = {},
                      .tree_file = {},
                      .frames = {},
                      .index_file = {}};
    image.padded.resize(image.manifest.padded_size().count());
    std::mt19937 random(1);  // NOLINT: the same image in every run
    const std::size_t block_bytes = block_size.bytes().count();
    for (std::size_t at = 0; at < size.count(); at += sizeof(std::uint32_t)) {
        if (is_zero(at / block_bytes)) continue;
        const auto word = static_cast<std::uint32_t>(random());
        std::memcpy(image.padded.data() + at, &word, sizeof(word));
    }
    image.make_tree();
    image.make_frames();
    return image;
}

inline void GoldenImage::make_tree() {
    codec::SaltedSha256 hash(manifest.salt);
    std::vector<Digest> digests;
    for (std::uint64_t i = 0; i < manifest.blocks().count(); ++i)
        digests.push_back(hash(block(i)));
    set_tree(std::move(digests));
}

// Each block its frame, zero blocks too: whoever reads must not need them. The index is written out from the
// definition of the format.
inline void GoldenImage::make_frames() {
    codec::Compressor compressor(1);
    ByteVector frame(codec::longest_frame(manifest.block_size.bytes()).count());
    frames.clear();
    index_file.assign(divide_up(manifest.blocks().count(), 32) * 104, std::byte{0});
    for (std::uint64_t i = 0; i < manifest.blocks().count(); ++i) {
        std::byte* const page = index_file.data() + i / 32 * 104;
        const auto offset = static_cast<std::uint64_t>(frames.size());
        if (i % 32 == 0) std::memcpy(page, &offset, sizeof(offset));
        const std::uint64_t length = compressor.compress(block(i), frame).value().count();
        std::memcpy(page + 8 + i % 32 * 3, &length, 3);
        frames.insert(frames.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(length));
    }
}

inline format::Frame GoldenImage::frame(std::uint64_t index) const {
    return format::FrameIndexPage::parse(
               ConstByteSpan(index_file).subspan(index / 32 * 104).first<format::index_page_size>())
        .value()
        .frame(index % 32);
}

inline BlockRange GoldenImage::blocks_of(format::Frame range) const {
    std::uint64_t first = 0;
    while (frame(first).offset < range.offset)
        ++first;
    std::uint64_t end = first;
    while (end < manifest.blocks().count() && frame(end).end() <= range.end())
        ++end;
    if (frame(first).offset != range.offset || frame(end - 1).end() != range.end())
        throw std::runtime_error("not whole frames");
    return {BlockIndex(first), Blocks(end - first)};
}

// The levels bottom up, written out from the definition of the format.
inline void GoldenImage::set_tree(std::vector<Digest> digests) {
    codec::SaltedSha256 hash(manifest.salt);
    ByteVector levels;  // the top one first
    while (digests.size() > 1) {
        ByteVector level(divide_up(digests.size(), 128) * 4096);
        for (std::size_t i = 0; i < digests.size(); ++i)
            std::memcpy(level.data() + i * 32, digests[i].data(), 32);
        digests.clear();
        for (std::size_t at = 0; at < level.size(); at += 4096)
            digests.push_back(hash(ConstByteSpan(level).subspan(at, 4096)));
        levels.insert(levels.begin(), level.begin(), level.end());
    }
    manifest.root_hash = digests[0];
    tree_file.assign(4096, std::byte{0});
    tree_file.insert(tree_file.end(), levels.begin(), levels.end());
}

// 300 blocks of 4 KiB with a run of zeros; the last block is 1 KiB long.
inline GoldenImage image_of_300_blocks() {
    return make_golden_image(block_size_of(4096), Bytes(299 * 4096 + 1024),
                             [](std::uint64_t n) { return n >= 20 && n < 60; });
}
// What a session wrote to on it: in the zeros, beside them and at the end.
inline const std::vector<BlockRange> usual_session{blocks(3, 2), blocks(18, 10), blocks(200, 1),
                                                   blocks(298, 2)};

// A server in memory. Ranges arrive in descending order, so that nothing can lean on an order.
class FakeFetcher final : public net::Fetcher {
  public:
    struct Request {
        std::string url;
        Bytes offset;
        Bytes length;
    };

    FakeFetcher() = default;
    explicit FakeFetcher(const GoldenImage& image) {
        files[image.source().data_url.with_credentials()] = image.frames;
        files[image.source().index_url.with_credentials()] = image.index_file;
        files[image.source().tree_url.with_credentials()] = image.tree_file;
    }

    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        const auto file = files.find(url.with_credentials());
        if (file == files.end()) return Error{Failure::source, url.shown() + ": there is no such file"};
        if (file->second.size() > limit) return Error{Failure::source, url.shown() + ": too long"};
        requests.push_back({url.with_credentials(), Bytes(0), Bytes(file->second.size())});
        return std::string(as_text(file->second));
    }

    using net::Fetcher::get_ranges;
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (!down.empty() && url.with_credentials().starts_with(down))
            return Error{Failure::network, url.shown() + ": no answer"};
        const auto file = files.find(url.with_credentials());
        if (file == files.end()) return Error{Failure::source, url.shown() + ": there is no such file"};
        most_wrong = ranges.most_wrong();
        for (;;) {
            std::vector<net::Range> in_flight;
            while (in_flight.size() < most_in_flight) {
                const std::optional<net::Range> range = ranges.next();
                if (!range) break;
                in_flight.push_back(*range);
            }
            if (in_flight.empty()) return {};
            Bytes together;
            for (const net::Range& range : in_flight)
                together += Bytes(range.into.size());
            most_at_once = std::max(most_at_once, together);
            while (!in_flight.empty()) {
                if (Result<void> answered = answer(url, file->second, in_flight.back(), ranges); !answered)
                    return answered;
                in_flight.pop_back();
            }
        }
    }

    net::Totals totals() const override { return totals_; }
    void allow(std::optional<Bytes> most) override { allowance_.set(most); }

    std::map<std::string, ByteVector> files;
    std::vector<Request> requests;
    std::size_t most_in_flight = 64;
    Bytes most_at_once;
    std::optional<std::uint64_t> fail_in;  // so many ranges arrive before one fails
    Error failure{Failure::network, "the network is gone"};
    std::function<void()> before_range;
    std::string down;         // a host, as URLs begin with it
    unsigned most_wrong = 0;  // as the last ranges want it

  private:
    Result<void> answer(const net::Url& url, const ByteVector& file, const net::Range& range,
                        net::Ranges& ranges) {
        const Bytes length(range.into.size());
        if (before_range) before_range();
        if (fail_in && (*fail_in)-- == 0) return failure;
        if ((range.offset + length).count() > file.size())
            return Error{Failure::source, url.shown() + ": too short"};
        if (!allowance_.take(length)) return allowance_.exceeded(url.shown());
        std::memcpy(range.into.data(), file.data() + range.offset.count(), length.count());
        requests.push_back({url.with_credentials(), range.offset, length});
        totals_.requests += 1;
        totals_.received += length;
        totals_.over_network = allowance_.taken();
        ranges.moved(length);
        if (Result<void> verified = ranges.verify(range.number); !verified) return verified;
        return ranges.arrived(range.number);
    }

    net::Totals totals_;
    net::Allowance allowance_;
};

// What was done to disk and log, in the order in which it was done.
struct Journal {
    struct Entry {
        bool to_log;
        Operation operation;
    };
    std::mutex mutex;
    std::vector<Entry> entries;
    std::optional<std::uint64_t> fail_in;  // so many operations succeed before all fail
    std::function<void()> before_operation;
};

// A MemoryStorage whose writes, zeroes and flushes are put down in a journal.
class JournaledStorage final : public block::Storage {
  public:
    JournaledStorage(ByteVector content, bool is_log, Journal& journal)
        : memory_(std::move(content), Bytes(512), is_log ? "the log" : "the disk"),
          is_log_(is_log),
          journal_(journal) {}

    const std::string& name() const override { return memory_.name(); }
    Bytes size() const override { return memory_.size(); }
    Bytes alignment() const override { return memory_.alignment(); }
    Result<void> read(Bytes offset, ByteSpan into) override { return memory_.read(offset, into); }
    Result<void> write(Bytes offset, ConstByteSpan from) override {
        return carry_out({Operation::Kind::write, offset, Bytes(from.size()), {from.begin(), from.end()}},
                         [&] { return memory_.write(offset, from); });
    }
    Result<void> zero(Bytes offset, Bytes length) override {
        return carry_out({Operation::Kind::zero, offset, length, {}},
                         [&] { return memory_.zero(offset, length); });
    }
    Result<void> flush() override {
        return carry_out({Operation::Kind::flush, {}, {}, {}}, [&] { return memory_.flush(); });
    }
    const ByteVector& content() const { return memory_.content(); }
    MemoryStorage& memory() { return memory_; }

  private:
    Result<void> carry_out(Operation operation, const std::function<Result<void>()>& what) {
        const std::lock_guard lock(journal_.mutex);
        if (journal_.before_operation) journal_.before_operation();
        if (journal_.fail_in) {
            if (*journal_.fail_in == 0) return Error{Failure::disk, name() + ": error on demand"};
            --*journal_.fail_in;
        }
        if (Result<void> done = what(); !done) return done;
        journal_.entries.push_back({is_log_, std::move(operation)});
        return {};
    }

    MemoryStorage memory_;
    bool is_log_;
    Journal& journal_;
};

// A disk and its log for `image`.
struct TestVolume {
    TestVolume(ByteVector disk, ByteVector log)
        : data(std::move(disk), false, journal), log_device(std::move(log), true, journal) {
        Result<std::optional<log::WriteLog>> opened = log::WriteLog::open(log_device);
        if (opened && *opened) log_store.emplace(std::move(**opened));
    }
    log::WriteLog& log() { return *log_store; }
    log::Bitmap& bitmap() { return log_store->bitmap(); }

    Journal journal;
    JournaledStorage data;
    JournaledStorage log_device;
    std::optional<log::WriteLog> log_store;
};

inline bool is_golden(const ByteVector& disk, const GoldenImage& image) {
    const ConstByteSpan golden = image.unpadded();
    return std::equal(golden.begin(), golden.end(), disk.begin());
}

// A volume whose log has every block marked, in state `provisioning`.
inline std::unique_ptr<TestVolume> make_provisioning_volume(const GoldenImage& image, ByteVector disk,
                                                            bool unknown = false) {
    const format::LogGeometry geometry =
        format::LogGeometry::make(image.manifest.size, image.manifest.block_size).value();
    MemoryStorage log(geometry.log_length());
    format::ImageRecord record = record_of(format::VolumeState::provisioning, image.manifest.version);
    record.unknown = unknown;
    record.manifest = format::serialize_manifest(image.manifest);
    const Result<log::WriteLog> formatted = log::WriteLog::format(log, geometry, record);
    if (!formatted) throw std::runtime_error(formatted.error().message);
    return std::make_unique<TestVolume>(std::move(disk), log.content());
}

// A golden volume on which a session wrote `dirty` blocks.
inline std::unique_ptr<TestVolume> make_session_volume(const GoldenImage& image,
                                                       std::span<const BlockRange> dirty) {
    const ConstByteSpan golden = image.unpadded();
    std::unique_ptr<TestVolume> volume =
        make_provisioning_volume(image, ByteVector(golden.begin(), golden.end()));
    log::WriteLog& log = volume->log();
    const BlockRange all{BlockIndex(0), image.manifest.blocks()};
    if (!log.bitmap().clear({&all, 1})) throw std::runtime_error("clear");
    format::ImageRecord record = *log.record();
    record.state = format::VolumeState::golden;
    if (!log.write_record(record) || !log.bitmap().mark(dirty)) throw std::runtime_error("mark");
    const std::size_t block_bytes = image.manifest.block_size.bytes().count();
    for (const BlockRange& range : dirty) {
        const std::size_t begin = range.first.value() * block_bytes;
        const std::size_t end = std::min<std::size_t>(range.end().value() * block_bytes, golden.size());
        volume->data.memory().overwrite(Bytes(begin), ByteVector(end - begin, std::byte{0xee}));
    }
    volume->journal.entries.clear();
    return volume;
}

// A restore of one attempt.
// One restore in this process, from one attempt to the next.
struct Attempts {
    Attempts(TestVolume& volume, const GoldenImage& image)
        : source(image.source()),
          fetcher(image),
          restore({volume.log(), volume.data}, source, fetcher, observer, stop) {}
    ByteVector& file() { return fetcher.files[source.data_url.with_credentials()]; }
    const store::Source source;
    FakeFetcher fetcher;
    SilentObserver observer;
    StopFlag stop;
    volume::Restore restore;
};

inline Result<volume::RestoreReport> restore_once(volume::RestoreTarget target, const GoldenImage& image,
                                                  FakeFetcher& fetcher, Observer& observer,
                                                  const StopFlag& stop = StopFlag()) {
    const store::Source source = image.source();
    volume::Restore restore(target, source, fetcher, observer, stop);
    if (Result<void> done = restore.attempt(); !done) return done.error();
    return restore.report();
}

}  // namespace regild::test
