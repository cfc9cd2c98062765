// SPDX-License-Identifier: GPL-2.0-or-later
// The hold (invariant 5): a writelog table that is loaded but not resumed yet. From there until it is resumed
// nobody else can take the devices, so that what is restored is what gets mapped.
#pragma once

#include <memory>
#include <string>

#include "dm/mapping.hpp"
#include "volume/volume.hpp"

namespace regild::boot {

struct MapOptions {
    bool allow_discards = false;
    bool read_only = false;  // what is under it, too
};

struct HeldVolume {
    std::unique_ptr<dm::Mapping> mapping;
    volume::Volume volume;
};

// Loads a table of `geometry` for `seen` as the mapped device `name` and opens the volume under it. Refused
// when a device is in use, or when somebody changed the log since it was `seen`.
Result<HeldVolume> hold(dm::Mapper& mapper, const std::string& name, volume::Volume& seen,
                        const format::LogGeometry& geometry, MapOptions options);

// The only way to make a volume live. Refused while it is half restored, whoever asks (invariant 9).
Result<void> activate(dm::Mapping& mapping, volume::Volume& volume);

}  // namespace regild::boot
