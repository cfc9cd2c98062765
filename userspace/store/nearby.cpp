// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/nearby.hpp"

#include <algorithm>

namespace regild::store {

bool Nearby::may_have(BlockIndex block, const Digest& digest) {
    return std::ranges::any_of(sources_, [&](const auto& source) { return source->may_have(block, digest); });
}

std::optional<Nearby::Found> Nearby::take(BlockIndex block, const Digest& digest) {
    for (const auto& source : sources_)
        if (std::optional<ByteVector> frame = source->take(block, digest))
            return Found{&source->kind(), *std::move(frame)};
    return std::nullopt;
}

}  // namespace regild::store
