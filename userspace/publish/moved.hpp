// SPDX-License-Identifier: GPL-2.0-or-later
// How a version differs from the one before it in the store, and whether that is new content or old one at
// other places, as where an image was built or files were written anew.
#pragma once

#include "base/stop.hpp"
#include "publish/stored_version.hpp"

namespace regild::publish {

struct Moved {
    std::uint64_t from_version = 0;
    Blocks differing;
    // Of what is in those blocks, in percent, what the other version has at other places of blocks that
    // differ; nothing where so little differs that it does not matter. By content in pieces of 4 KiB, as file
    // systems place it; of many a sample, chosen by their content.
    std::optional<unsigned> moved_percent{};
};

// Of two versions with the same size, block size and salt. Reads both trees, and the frames of what differs
// only where that is much. Failure::interrupted. Other errors: a version is damaged.
Result<Moved> moved_between(StoredVersion before, StoredVersion now, const format::Manifest& manifest,
                            const StopFlag& stop);

}  // namespace regild::publish
