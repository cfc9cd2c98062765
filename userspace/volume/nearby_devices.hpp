// SPDX-License-Identifier: GPL-2.0-or-later
// The devices that serve a restore before the network does: found, and a cache used only where it is one or
// may become one (invariant 10).
#pragma once

#include <memory>
#include <string>

#include "block/device.hpp"
#include "store/cache.hpp"

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

// To be read only; somebody else may have it, or write to it.
Result<std::unique_ptr<block::Device>> open_golden_copy(const std::string& path_or_tag);

}  // namespace regild::volume
