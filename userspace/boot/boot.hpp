// SPDX-License-Identifier: GPL-2.0-or-later
// Boot: find the devices, make the volume golden, map it. Figure 2 of the patent.
#pragma once

#include <functional>
#include <string>

#include "dm/mapping.hpp"
#include "format/configuration.hpp"
#include "volume/restore.hpp"
#include "volume/volume.hpp"

namespace regild::boot {

struct BootOptions {
    bool no_network = false;  // Failure::network at once where the network would be needed
    bool skip_restore =
        false;            // the kernel argument regild=off: honoured only where the configuration allows it
    bool no_map = false;  // stop before mapping: to try a configuration on plain files
};

enum class BootOutcome { clean, provisioned, restored, skipped };
const char* to_string(BootOutcome outcome);

struct BootReport {
    BootOutcome outcome = BootOutcome::clean;
    std::string image;
    std::uint64_t version = 0;
    BlockSize block_size = *BlockSize::from_bytes(65536);
    Blocks blocks;
    volume::RestoreReport restore;  // all zero on a clean boot
    std::string mapped;             // /dev/mapper/NAME, or ""
};

using MakeFetcher = std::function<std::unique_ptr<net::Fetcher>()>;

// Mapped and golden (or skipped by policy) when it succeeds. A disk that needs restoring waits for the server
// with the policy `wait`; with `halt` and with no_network it is Failure::network. The fetcher is made when it
// is needed: a clean boot makes none.
Result<BootReport> boot(const format::Configuration& configuration, const BootOptions& options,
                        const MakeFetcher& make_fetcher, dm::Mapper& mapper, Observer& observer,
                        const StopFlag& stop);

}  // namespace regild::boot
