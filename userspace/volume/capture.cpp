// SPDX-License-Identifier: GPL-2.0-or-later
// Marked blocks are read some MiB at a time; a few threads hash and compress them.
#include "volume/capture.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/progress.hpp"
#include "codec/version_identity.hpp"
#include "codec/zstd.hpp"
#include "store/tree_patch.hpp"
#include "volume/delta_writer.hpp"
#include "volume/fit.hpp"
#include "volume/trial.hpp"

namespace regild::volume {
namespace {

constexpr Bytes batch_size = MiB(8);

Result<void> check_may_capture(const format::ImageRecord& record, std::uint64_t version) {
    const auto refuse = [](const std::string& why) { return Error{Failure::refused, why}; };
    if (record.state != format::VolumeState::golden)
        return refuse(std::string("the volume is half done (state ") + to_string(record.state) +
                      "): what is on it is nobody's version");
    if (record.untouched)
        return refuse("nothing of version " + std::to_string(record.image_version) +
                      " was written yet: restore it first");
    if (is_on_trial(record))
        return refuse("version " + std::to_string(record.image_version) +
                      " is on trial: confirm it with 'regild mark-good' first");
    if (version == record.rejected_version)
        return refuse("version " + std::to_string(version) +
                      " was tried on this disk and not confirmed: give the new one another number");
    if (version <= record.image_version || version > format::max_version)
        return Error{Failure::usage, "the volume holds version " + std::to_string(record.image_version) +
                                         ": the next one needs a higher number, up to " +
                                         std::to_string(format::max_version)};
    return {};
}

class Capture {
  public:
    Capture(RestoreTarget volume, const store::Source& installed, net::Fetcher& fetcher, store::Cache* cache,
            int zstd_level, DeltaWriter& delta, Progress& progress, const StopFlag& stop)
        : report{installed.manifest, {}, {}, {}, {}},
          volume_(volume),
          manifest_(installed.manifest),
          delta_(delta),
          progress_(progress),
          stop_(stop),
          tree_(installed, fetcher, cache),
          patch_(tree_, manifest_),
          most_(std::max<std::uint64_t>(1, batch_size.count() / manifest_.block_size.bytes().count())),
          buffer_(most_ * manifest_.block_size.bytes().count()) {
        for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
            hands_.push_back({codec::SaltedSha256(manifest_.salt), codec::Compressor(zstd_level)});
    }

    // Ascending, a piece of the marks at a time.
    Result<void> add(const BlockSet& marked) {
        for (BlockIndex at = marked.range().first; at < marked.range().end();) {
            const Result<BlockIndex> until = tree_.load(marked, at);
            if (!until) return until.error();
            for (BlockRange run : runs_of(marked, {at, *until - at}))
                while (run.count > Blocks(0)) {
                    const BlockRange part{run.first, std::min(run.count, Blocks(most_ - batch_.size()))};
                    if (Result<void> read_part = read(part); !read_part) return read_part;
                    run = {part.end(), run.count - part.count};
                    if (batch_.size() < most_) continue;
                    if (Result<void> written = write_batch(); !written) return written;
                }
            if (Result<void> written = write_batch(); !written) return written;  // before its digests go
            at = *until;
        }
        return {};
    }
    Digest root_hash() { return patch_.root_hash(); }
    CaptureReport report;  // its manifest is that of the version before

  private:
    struct Hand {
        codec::SaltedSha256 hash;
        codec::Compressor compressor;
    };
    struct Block {
        BlockIndex index;
        bool changed = false;
        Digest digest{};
        ByteVector frame{};  // empty: zero
        std::optional<Error> error{};
    };

    // At the end of the batch.
    Result<void> read(BlockRange run) {
        if (stop_.requested()) return Error{Failure::interrupted, "interrupted"};
        const BlockSize block_size = manifest_.block_size;
        const std::size_t start = batch_.size() * block_size.bytes().count();
        const std::size_t length = length_on_disk(manifest_, run).count();
        const std::size_t padded = block_size.bytes_of(run.count).count();
        if (Result<void> done =
                volume_.data.read(block_size.offset_of(run.first), buffer_.span(start, length));
            !done)
            return done;
        std::ranges::fill(buffer_.span(start + length, padded - length), std::byte{0});
        for (std::uint64_t i = 0; i < run.count.count(); ++i)
            batch_.push_back({run.first + Blocks(i)});
        return {};
    }

    void look_at(std::size_t number, Hand& hand) {
        Block& block = batch_[number];
        const std::size_t block_bytes = manifest_.block_size.bytes().count();
        const ConstByteSpan content = buffer_.span(number * block_bytes, block_bytes);
        const bool zero = all_zero(content);
        block.digest = zero ? tree_.zero_digest() : hand.hash(content);
        block.changed = block.digest != tree_.digest(block.index);
        if (!block.changed || zero) return;
        block.frame.resize(codec::longest_frame(Bytes(block_bytes)).count());
        const Result<Bytes> length = hand.compressor.compress(content, block.frame);
        if (length)
            block.frame.resize(length->count());
        else
            block.error = length.error();
    }

    Result<void> write_batch() {
        std::atomic<std::size_t> next = 0;
        {
            std::vector<std::jthread> workers;
            for (Hand& hand : hands_)
                workers.emplace_back([this, &next, &hand] {
                    for (std::size_t number = next++; number < batch_.size(); number = next++)
                        look_at(number, hand);
                });
        }
        for (const Block& block : batch_) {
            if (block.error) return *block.error;
            report.marked += Blocks(1);
            if (!block.changed) continue;
            report.changed += Blocks(1);
            if (block.frame.empty()) report.zero += Blocks(1);
            report.frames += Bytes(block.frame.size());
            patch_.set(block.index, block.digest);
            if (Result<void> added = delta_.add(block.index, block.frame); !added) return added;
        }
        progress_.add(manifest_.block_size.bytes_of(Blocks(batch_.size())));
        batch_.clear();
        return {};
    }

    RestoreTarget volume_;
    const format::Manifest& manifest_;
    DeltaWriter& delta_;
    Progress& progress_;
    const StopFlag& stop_;
    store::TreeReader tree_;
    store::TreePatch patch_;
    const std::uint64_t most_;  // blocks of a batch
    block::AlignedBuffer buffer_;
    std::vector<Block> batch_;
    std::vector<Hand> hands_;
};

}  // namespace

Result<CaptureReport> capture(RestoreTarget volume, const store::Source& installed, net::Fetcher& fetcher,
                              store::Cache* cache, const CaptureRequest& request, Observer& observer,
                              const StopFlag& stop) {
    if (Result<void> may = check_may_capture(*volume.log.record(), request.version); !may) return may.error();
    if (Result<void> fits = check_fit(volume.log, volume.data, installed); !fits) return fits.error();
    format::Manifest next = installed.manifest;
    next.version = request.version;
    next.tree_uuid = codec::version_uuid(next.image, next.version);
    Result<DeltaWriter> delta = DeltaWriter::create(request.delta, installed.manifest, std::move(next));
    if (!delta) return delta.error();

    const log::Bitmap& bitmap = volume.log.bitmap();
    Progress progress(observer, "capturing", installed.manifest.block_size.bytes_of(bitmap.marked()));
    Capture captured(volume, installed, fetcher, cache, request.zstd_level, *delta, progress, stop);
    const BlockIndex end = BlockIndex() + installed.manifest.blocks();
    for (BlockIndex at; at < end;) {
        const log::Marks marks = bitmap.read(at);
        if (Result<void> added = captured.add(marks.marked); !added) return added.error();
        at = marks.range().end();
    }
    if (Result<void> checked = request.check(); !checked) return checked.error();
    if (captured.report.changed == Blocks(0))
        return Error{Failure::refused, "nothing on the disk is otherwise than in version " +
                                           std::to_string(installed.manifest.version) +
                                           ": there is nothing to capture"};
    Result<format::Manifest> manifest = delta->finish(captured.root_hash());
    if (!manifest) return manifest.error();
    captured.report.manifest = *std::move(manifest);
    return captured.report;
}

Result<void> hold_captured(RestoreTarget volume, const format::Manifest& captured) {
    if (Result<void> flushed = volume.data.flush(); !flushed) return flushed;
    format::ImageRecord record = *volume.log.record();
    record.image_version = captured.version;
    record.manifest = format::serialize_manifest(captured);
    record.signature.clear();
    record.before = {};
    record.untouched = false;
    record.staged = {};
    record.rejected_version = 0;
    record.version_floor = std::max(record.version_floor, captured.version);
    if (Result<void> written = volume.log.write_record(std::move(record)); !written) return written;
    const BlockRange all{BlockIndex(), captured.blocks()};
    return volume.log.bitmap().clear({&all, 1});
}

Result<void> await_captured(log::WriteLog& log) {
    format::ImageRecord record = *log.record();
    record.unknown = true;
    return log.write_record(std::move(record));
}

}  // namespace regild::volume
