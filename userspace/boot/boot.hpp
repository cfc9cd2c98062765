// SPDX-License-Identifier: GPL-2.0-or-later
// Boot: find the devices, make the volume golden, map it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/utc.hpp"
#include "dm/mapping.hpp"
#include "format/configuration.hpp"
#include "volume/restore.hpp"
#include "volume/volume.hpp"

namespace regild::boot {

struct BootOptions {
    // Failure::network at once where the network would be needed, or a local source gives nothing; what the
    // policy says is left to another run.
    bool no_network = false;
    bool skip_restore =
        false;            // the kernel argument regild=off: honoured only where the configuration allows it
    bool no_map = false;  // stop before mapping: to try a configuration on plain files
};

enum class BootOutcome {
    clean,
    provisioned,
    restored,
    skipped,     // by the kernel argument regild=off
    thawed,      // as the last session left it, because that is to be kept
    unrestored,  // the server gave nothing, and the policy is to start the volume all the same
};
const char* to_string(BootOutcome outcome);

struct BootReport {
    BootOutcome outcome = BootOutcome::clean;
    std::string image;
    std::uint64_t version = 0;
    std::uint64_t version_before = 0;  // where this boot installed another one; else 0
    std::string
        document;  // URL of the manifest or channel that this boot read; "": it used the log's manifest
    BlockSize block_size = *BlockSize::from_bytes(65536);
    Blocks blocks;
    volume::RestoreReport restore;  // all zero on a clean boot
    std::string mapped;             // /dev/mapper/NAME, or ""
    std::optional<format::Thaw>
        thaw{};  // what this session writes is kept so long; nothing: the next boot undoes it
};

// `wrap` goes around what asks a single server, and what chooses among several around that.
using MakeFetcher = std::function<std::unique_ptr<net::Fetcher>(const net::WrapFetcher& wrap)>;
// Returns after that time, or at once with Failure::interrupted.
using Wait = std::function<Result<void>(std::chrono::milliseconds)>;
Wait patient_wait(const StopFlag& stop);
// Any time up to `longest`.
std::chrono::milliseconds random_delay(std::chrono::milliseconds longest);

// What a boot runs in; tests put fakes in their places.
struct Surroundings {
    MakeFetcher make_fetcher;  // called when a request is to be made: a clean boot makes none
    dm::Mapper& mapper;
    Observer& observer;
    const StopFlag& stop;
    Wait wait;
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now;
    std::function<std::uint64_t()> date = utc_now;  // in seconds since 1970
    std::function<std::chrono::milliseconds(std::chrono::milliseconds longest)> up_to = random_delay;
    store::Trust trust{};
};

// What a boot has done so far: one that ended because it had no network is gone on with by another one.
struct Course {
    std::uint64_t version_before = 0;  // as in BootReport
    bool compares_all = false;         // all blocks were marked, to be compared: once is enough
};

// Mapped when it succeeds, and golden but for the last three outcomes. How long a disk that needs restoring
// waits for its server is said in boot/policy.hpp; with no_network it is Failure::network at once.
// Failure::reboot: the server gave nothing, and the owner wants the machine to start anew, now. `course` is
// gone on with, and kept up to date also when it fails.
Result<BootReport> boot(const format::Configuration& configuration, const BootOptions& options,
                        const Surroundings& surroundings, Course* course = nullptr);

}  // namespace regild::boot
