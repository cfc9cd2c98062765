// SPDX-License-Identifier: GPL-2.0-or-later
// The devices that serve a restore before the network does: found, and a cache used only where it is one or
// may become one (invariant 10).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/observer.hpp"
#include "block/device.hpp"
#include "format/configuration.hpp"
#include "format/manifest.hpp"
#include "store/nearby.hpp"

namespace regild::volume {

// The cache refers to the device.
struct OpenCache {
    std::unique_ptr<block::Device> device;
    std::unique_ptr<store::Cache> cache;
};

// `path_or_tag` as block::resolve takes it. Failure::busy: another process has it. Failure::refused: it is
// mounted or mapped, too small, or holds what regild did not put there and is not a partition of its type.
// Nothing is written where it is refused.
Result<OpenCache> open_cache(const std::string& path_or_tag);
// The same to be read only, whoever has it, see store::Cache::look.
Result<OpenCache> look_at_cache(const std::string& path_or_tag);

struct NearbyDevices {
    store::Cache* cache = nullptr;
    block::Storage* golden_copy = nullptr;  // to be read only; somebody else may have it, or write to it
};

// What is wrong with a cache that was used.
void tell_of_cache(const store::Cache& cache, Observer& observer);
// What they have of an image. All must outlive it.
store::Nearby nearby_of(const format::Manifest& manifest, const NearbyDevices& devices);
// In the order in which they are asked.
std::span<const store::NearbyKind* const> nearby_kinds();

struct OpenNearby {
    OpenCache cache;
    std::unique_ptr<block::Device> golden_copy;
    bool any() const { return cache.cache || golden_copy; }
    NearbyDevices devices() const { return {cache.cache.get(), golden_copy.get()}; }
};

// Those that the configuration names. `failed` hears of each that is no good: what it returns ends this, or
// lets it go on without that one.
using NearbyFailed = std::function<Result<void>(const Error& why, const store::NearbyKind& kind)>;
Result<OpenNearby> open_nearby(const format::Configuration& configuration, const NearbyFailed& failed);

}  // namespace regild::volume
