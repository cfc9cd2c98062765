// SPDX-License-Identifier: GPL-2.0-or-later
// Capture: what sessions wrote on a master machine becomes the next version, in a delta.
#pragma once

#include <filesystem>
#include <functional>

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "log/write_log.hpp"
#include "net/fetcher.hpp"
#include "store/cache.hpp"
#include "store/source.hpp"
#include "volume/restore.hpp"

namespace regild::volume {

struct CaptureRequest {
    std::filesystem::path delta;  // a new file
    std::uint64_t version = 0;    // higher than the one that the volume holds
    int zstd_level = 0;
    // Asked when all has been read: whether nobody wrote meanwhile.
    std::function<Result<void>()> check = [] { return Result<void>(); };
};

struct CaptureReport {
    format::Manifest manifest;  // of the new version
    Blocks marked;
    Blocks changed;  // of them: they are otherwise than in the version before
    Blocks zero;     // of those
    Bytes frames;    // of the others, in the delta
};

// Writes the delta from `installed` to what is on the disk. Only marked blocks are read, and of the hash tree
// what lies above them. Nobody writes to the volume, and nothing of it is changed. Failure::refused: not
// golden apart from what is marked, on trial, or no block is otherwise. Failure::disk: a block cannot be
// read. Failure::interrupted: there is no delta then.
Result<CaptureReport> capture(RestoreTarget volume, const store::Source& installed, net::Fetcher& fetcher,
                              store::Cache* cache, const CaptureRequest& request, Observer& observer,
                              const StopFlag& stop);

// From here on the volume holds the version that was captured: `captured` as its delta has it, without a
// signature. The record is written before the marks are cleared: cut off between, the next restore fetches
// what is marked, once the version is published.
Result<void> hold_captured(RestoreTarget volume, const format::Manifest& captured);
// It still holds the version before, and may be updated to the captured one: what is marked is compared
// before it is fetched.
Result<void> await_captured(log::WriteLog& log);

}  // namespace regild::volume
