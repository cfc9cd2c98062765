// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/nearby_devices.hpp"

#include <regild/regild_format.h>
#include <array>

#include "block/identity.hpp"
#include "block/probe.hpp"
#include "store/cached_blocks.hpp"
#include "store/golden_copy.hpp"

namespace regild::volume {
namespace {

Result<void> check_may_be_cache(block::Device& device) {
    block::AlignedBuffer first(format::cache_unit.count());
    if (device.size() < format::cache_unit) return {};  // too small, which the cache says
    if (Result<void> read = device.read(Bytes(0), first.span()); !read) return read;
    Result<block::Content> content = block::probe_content(device);
    if (!content) return content.error();
    if (content->blank || content->partition_type == REGILD_GPT_TYPE_CACHE) return {};
    // A cache in a file or in a partition of another type, unless somebody has put a file system behind it.
    const Result<block::Probe> probe = block::Probe::open(device.name());
    if (!probe) return probe.error();
    const Result<std::vector<std::string>> signatures = probe->signatures();
    if (!signatures) return signatures.error();
    if (signatures->empty() && format::parse_cache_header(ConstByteSpan(first.span()).first<4096>()))
        return {};
    return Error{Failure::refused, device.name() + " holds " + content->description +
                                       " and is not a partition of the cache's type (" REGILD_GPT_TYPE_CACHE
                                       ")"};
}

Result<OpenCache> open_with(const std::string& path_or_tag, block::Access access,
                            Result<store::Cache> (*open)(block::Storage&)) {
    const Result<std::string> path = block::resolve(path_or_tag);
    if (!path) return path.error().context("cache");
    Result<std::unique_ptr<block::Device>> device = block::Device::open(*path, access);
    if (!device) return device.error().context("cache");
    if (Result<void> may = check_may_be_cache(**device); !may) return may.error().context("cache");
    Result<store::Cache> cache = open(**device);
    if (!cache) return cache.error().context("cache");
    return OpenCache{*std::move(device), std::make_unique<store::Cache>(*std::move(cache))};
}

Result<std::unique_ptr<block::Device>> open_golden_copy(const std::string& path_or_tag) {
    const Result<std::string> path = block::resolve(path_or_tag);
    if (!path) return path.error().context("golden copy");
    Result<std::unique_ptr<block::Device>> device = block::Device::open(*path, block::Access::read);
    if (!device) return device.error().context("golden copy");
    return device;
}

}  // namespace

Result<OpenCache> open_cache(const std::string& path_or_tag) {
    return open_with(path_or_tag, block::Access::exclusive, &store::Cache::open);
}

Result<OpenCache> look_at_cache(const std::string& path_or_tag) {
    return open_with(path_or_tag, block::Access::read, &store::Cache::look);
}

void tell_of_cache(const store::Cache& cache, Observer& observer) {
    if (cache.error()) observer.event(cache.error()->message + ": the cache is not used");
    if (cache.read_error()) observer.event(cache.read_error()->message + ": the cache may be failing");
}

store::Nearby nearby_of(const format::Manifest& manifest, const NearbyDevices& devices) {
    const auto open = [&manifest, devices] {
        store::Nearby::Sources sources;
        if (devices.cache) sources.push_back(std::make_unique<store::CachedBlocks>(manifest, *devices.cache));
        if (devices.golden_copy)
            sources.push_back(std::make_unique<store::GoldenCopy>(manifest, *devices.golden_copy));
        return sources;
    };
    return {manifest.block_size, open, devices.cache};
}

std::span<const store::NearbyKind* const> nearby_kinds() {
    static constexpr std::array kinds{&store::cached_blocks, &store::golden_copy};
    return kinds;
}

Result<OpenNearby> open_nearby(const format::Configuration& configuration, const NearbyFailed& failed) {
    OpenNearby nearby;
    const auto take = [&](const std::string& device, auto open, auto& into,
                          const store::NearbyKind& kind) -> Result<void> {
        if (device.empty()) return {};
        auto opened = open(device);
        if (!opened) return failed(opened.error(), kind);
        into = *std::move(opened);
        return {};
    };
    Result<void> taken = take(configuration.cache, open_cache, nearby.cache, store::cached_blocks);
    if (taken)
        taken = take(configuration.golden_copy, open_golden_copy, nearby.golden_copy, store::golden_copy);
    if (!taken) return taken.error();
    return nearby;
}

}  // namespace regild::volume
