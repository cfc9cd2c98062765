// SPDX-License-Identifier: GPL-2.0-or-later
// One thread loads the tree part by part; for each part a few threads read and hash the disk.
#include "volume/compare.hpp"

#include <algorithm>
#include <mutex>
#include <thread>

#include "volume/fit.hpp"

namespace regild::volume {
namespace {

constexpr Bytes chunk_size = MiB(1);  // one read
constexpr unsigned max_threads = 4;

// What the threads of one part share.
class Part {
  public:
    Part(const Comparison& comparison, const BlockSet& wanted, BlockRange range, Findings& found)
        : comparison_(comparison),
          wanted_(wanted),
          end_(range.end()),
          found_(found),
          position_(range.first) {}

    // The body of each thread: chunk after chunk until the part is done or a stop is asked for.
    void work() {
        codec::SaltedSha256 hash(comparison_.manifest.salt);
        block::AlignedBuffer buffer(std::max(chunk_size, comparison_.manifest.block_size.bytes()).count());
        while (const std::optional<BlockRange> chunk = take()) {
            if (compare_chunk(*chunk, hash, buffer)) continue;
            // One sector that cannot be read is not to cost more than its block.
            for (BlockIndex block = chunk->first; block < chunk->end(); block = block + Blocks(1))
                if (!compare_chunk({block, Blocks(1)}, hash, buffer)) lost(block);
        }
    }
    const std::optional<Error>& error() const { return error_; }

  private:
    std::optional<BlockRange> take() {
        const std::lock_guard lock(mutex_);
        if (!error_ && comparison_.stop.requested()) error_ = Error{Failure::interrupted, "interrupted"};
        if (error_) return std::nullopt;
        const std::optional<BlockRange> run = wanted_.next_run({position_, end_ - position_});
        if (!run) return std::nullopt;
        const BlockSize block_size = comparison_.manifest.block_size;
        const Blocks longest(std::max<std::uint64_t>(1, chunk_size.count() / block_size.bytes().count()));
        const BlockRange chunk{run->first, std::min(run->count, longest)};
        position_ = chunk.end();
        return chunk;
    }

    // False when it cannot be read; nothing is found of it then.
    bool compare_chunk(BlockRange chunk, codec::SaltedSha256& hash, block::AlignedBuffer& buffer) {
        const BlockSize block_size = comparison_.manifest.block_size;
        const std::size_t length = length_on_disk(comparison_.manifest, chunk).count();
        const std::size_t padded = block_size.bytes_of(chunk.count).count();
        if (!comparison_.data.read(block_size.offset_of(chunk.first), buffer.span(0, length))) return false;
        std::ranges::fill(buffer.span(length, padded - length), std::byte{0});
        const std::size_t block_bytes = block_size.bytes().count();
        for (std::uint64_t i = 0; i < chunk.count.count(); ++i) {
            const BlockIndex block = chunk.first + Blocks(i);
            if (is_golden(block, buffer.span(i * block_bytes, block_bytes), hash)) continue;
            const std::lock_guard lock(mutex_);
            found_.wrong.insert({block, Blocks(1)});
        }
        comparison_.progress.add(block_size.bytes_of(chunk.count));
        return true;
    }

    // To look for a byte that is not zero takes less than to hash zeros.
    bool is_golden(BlockIndex block, ConstByteSpan content, codec::SaltedSha256& hash) const {
        const Digest digest = comparison_.tree.digest(block);
        return digest == comparison_.tree.zero_digest() ? all_zero(content) : hash(content) == digest;
    }

    // Nobody knows what it holds, so it counts as wrong: writing it may well make it readable again.
    void lost(BlockIndex block) {
        const std::lock_guard lock(mutex_);
        found_.wrong.insert({block, Blocks(1)});
        found_.unreadable.insert({block, Blocks(1)});
        comparison_.progress.add(comparison_.manifest.block_size.bytes());
    }

    const Comparison& comparison_;
    const BlockSet& wanted_;
    const BlockIndex end_;
    std::mutex mutex_;  // guards what follows
    Findings& found_;
    BlockIndex position_;
    std::optional<Error> error_;
};

}  // namespace

Result<void> compare(const Comparison& comparison, const BlockSet& wanted,
                     const std::function<Result<void>(BlockRange part, const Findings& found)>& compared) {
    Findings found{BlockSet(wanted.range()), BlockSet(wanted.range())};
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, max_threads);
    for (BlockIndex position = wanted.range().first; position < wanted.range().end();) {
        const Result<BlockIndex> until = comparison.tree.load(wanted, position);
        if (!until) return until.error();
        const BlockRange range{position, *until - position};
        Part part(comparison, wanted, range, found);
        {
            std::vector<std::jthread> workers;
            for (unsigned i = 0; i < threads; ++i)
                workers.emplace_back([&part] { part.work(); });
        }
        if (part.error()) return *part.error();
        if (Result<void> taken = compared(range, found); !taken) return taken;
        position = *until;
    }
    return {};
}

}  // namespace regild::volume
