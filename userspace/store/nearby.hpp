// SPDX-License-Identifier: GPL-2.0-or-later
// Blocks that need no network: local sources, each asked for what those before it do not have. None is
// believed (invariant 4).
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/units.hpp"
#include "store/cache.hpp"

namespace regild::store {

// What reports call a kind of source, and the blocks that were written from one.
struct NearbyKind {
    const char* name;
    const char* taken;
};

// Each kind is a class in a file of its own. Not thread-safe.
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
    // In the order in which they are asked. The cache, if there is one, keeps what is fetched; it outlives
    // this.
    Nearby(std::vector<std::unique_ptr<NearbySource>> sources, Cache* cache)
        : sources_(std::move(sources)), cache_(cache) {}

    Cache* cache() const { return cache_; }
    bool may_have(BlockIndex block, const Digest& digest);
    struct Found {
        const NearbyKind* kind = nullptr;
        ByteVector frame;
    };
    std::optional<Found> take(BlockIndex block, const Digest& digest);

  private:
    std::vector<std::unique_ptr<NearbySource>> sources_;
    Cache* cache_;
};

}  // namespace regild::store
