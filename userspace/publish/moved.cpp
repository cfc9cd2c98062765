// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/moved.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <vector>

#include "base/block_set.hpp"
#include "codec/sha256.hpp"
#include "codec/zstd.hpp"

namespace regild::publish {
namespace {

constexpr std::size_t piece_size = 4096;
constexpr std::uint64_t most_pieces = std::uint64_t{1} << 20;  // of a sample, of each version
constexpr Bytes least_differing = MiB(1);                      // that is looked at

// The same numbers of the same content, wherever it is.
class Sample {
  public:
    explicit Sample(Bytes of) : every_(1 + of.count() / piece_size / most_pieces), hash_({}) {}

    // Nothing: it is not in the sample.
    std::optional<std::uint64_t> number(ConstByteSpan piece) {
        const Digest digest = hash_(piece);
        std::uint64_t number;
        std::memcpy(&number, digest.data(), sizeof number);
        return number % every_ == 0 ? std::optional(number) : std::nullopt;
    }

  private:
    std::uint64_t every_;
    codec::SaltedSha256 hash_;
};

// Blocks of which the digests are others; all of both versions are looked at.
Result<BlockSet> differing_blocks(StoredVersion& before, StoredVersion& now, Blocks blocks) {
    BlockSet differing(blocks);
    for (BlockIndex at; at < BlockIndex() + blocks;) {
        const Result<BlockRange> group = before.load_digests(at);
        if (!group) return group.error();
        if (const Result<BlockRange> same = now.load_digests(at); !same) return same.error();
        for (std::uint64_t i = 0; i < group->count.count(); ++i)
            if (before.digest(i) != now.digest(i)) differing.insert({at + Blocks(i), Blocks(1)});
        at = group->end();
    }
    return differing;
}

// The pieces of two contents of a block that are others at the same place, into each version's numbers.
class Pieces {
  public:
    Pieces(Bytes differing, BlockSize block_size)
        : sample_(differing), before_(block_size.bytes().count()), now_(before_.size()) {}

    bool add(ConstByteSpan frame_before, ConstByteSpan frame_now) {
        if (!unpack(frame_before, before_) || !unpack(frame_now, now_)) return false;
        for (std::size_t at = 0; at < before_.size(); at += piece_size) {
            const ConstByteSpan old_piece = ConstByteSpan(before_).subspan(at, piece_size);
            const ConstByteSpan new_piece = ConstByteSpan(now_).subspan(at, piece_size);
            if (std::ranges::equal(old_piece, new_piece)) continue;
            if (const auto number = number_of(old_piece)) were_.insert(*number);
            if (const auto number = number_of(new_piece)) are_.push_back(*number);
        }
        return true;
    }
    std::optional<unsigned> moved_percent() const {
        if (are_.empty()) return std::nullopt;
        std::uint64_t moved = 0;
        for (const std::uint64_t number : are_)
            moved += were_.contains(number);
        return static_cast<unsigned>(moved * 100 / are_.size());
    }

  private:
    bool unpack(ConstByteSpan frame, ByteVector& into) {
        if (!frame.empty()) return decompressor_.decompress(frame, into);
        std::ranges::fill(into, std::byte{0});
        return true;
    }
    std::optional<std::uint64_t> number_of(ConstByteSpan piece) {
        return all_zero(piece) ? std::nullopt : sample_.number(piece);
    }

    Sample sample_;
    ByteVector before_;
    ByteVector now_;
    codec::Decompressor decompressor_;
    std::unordered_set<std::uint64_t> were_;
    std::vector<std::uint64_t> are_;
};

}  // namespace

Result<Moved> moved_between(StoredVersion before, StoredVersion now, const format::Manifest& manifest,
                            const StopFlag& stop) {
    Result<BlockSet> differing = differing_blocks(before, now, manifest.blocks());
    if (!differing) return differing.error();
    Moved moved;
    moved.differing = differing->count();
    const Bytes bytes = manifest.block_size.bytes_of(moved.differing);
    if (bytes < least_differing) return moved;
    Pieces pieces(bytes, manifest.block_size);
    const BlockRange all = differing->range();
    for (BlockIndex at; at < all.end();) {
        if (stop.requested()) return Error{Failure::interrupted, "interrupted"};
        const Result<BlockRange> group = before.load(at);
        if (!group) return group.error();
        if (const Result<BlockRange> same = now.load(at); !same) return same.error();
        for (const BlockRange& run : runs_of(*differing, *group))
            for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1)) {
                const std::uint64_t number = (block - group->first).count();
                if (!pieces.add(before.frame(number), now.frame(number)))
                    return Error{Failure::refused, "the frames of a version are damaged"};
            }
        at = group->end();
    }
    moved.moved_percent = pieces.moved_percent();
    return moved;
}

}  // namespace regild::publish
