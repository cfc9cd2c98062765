// SPDX-License-Identifier: GPL-2.0-or-later
// Blocks that need no network: local sources, each asked for what those before it do not have. None is
// believed (invariant 4).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/block_set.hpp"
#include "store/tree_reader.hpp"

namespace regild::store {

// What reports call a kind of source, and the blocks that were written from one.
struct NearbyKind {
    const char* name;
    const char* taken;
    bool keeps_frames = false;  // it holds blocks as they were fetched: then reports tell their bytes, too
};

// Each kind is a class in a file of its own. Not thread-safe: one object a thread.
class NearbySource {
  public:
    explicit NearbySource(const NearbyKind& kind) : kind_(kind) {}
    virtual ~NearbySource() = default;
    const NearbyKind& kind() const { return kind_; }
    // Whether take() may well find it. No content is read.
    virtual bool may_have(BlockIndex block, const Digest& digest) = 0;
    // A frame of that block, verified. What cannot be read is not there.
    virtual std::optional<ByteVector> take(BlockIndex block, const Digest& digest) = 0;

  private:
    const NearbyKind& kind_;
};

class Nearby {
  public:
    using Sources = std::vector<std::unique_ptr<NearbySource>>;
    // `open` gives the sources in the order in which they are asked, anew for each thread. The cache, if
    // there is one, keeps what is fetched; it outlives this.
    Nearby(BlockSize block_size, std::function<Sources()> open, Cache* cache);

    Cache* cache() const { return cache_; }
    bool may_have(BlockIndex block, const Digest& digest);

    struct Found {
        const NearbyKind* kind = nullptr;
        ByteVector frame;  // verified
    };
    struct Wanted {
        BlockIndex block;
        Digest digest{};
        std::optional<Found> found;
    };
    // The members of a set up to a block, but for those that are zero in the image.
    struct Part {
        BlockIndex end;
        std::vector<Wanted> blocks;
    };
    // Looks for so many members of `wanted` in the range, from its first block on, that some threads have
    // work. `tree` tells of all of them. Nobody uses the cache meanwhile.
    Part take_some(const TreeReader& tree, const BlockSet& wanted, BlockRange within);

  private:
    void take(std::span<Wanted* const> wanted);
    static std::optional<Found> ask(Sources& sources, const Wanted& wanted);

    const std::size_t at_once_;
    const std::function<Sources()> open_;
    std::vector<Sources> sources_;  // of each thread
    Cache* const cache_;
};

}  // namespace regild::store
