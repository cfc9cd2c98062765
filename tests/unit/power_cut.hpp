// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut after every operation, with every mixture of what disk and log may have kept of the writes
// that were not flushed.
#pragma once

#include <catch2/catch.hpp>

#include "device_cache.hpp"
#include "volume_fixture.hpp"

namespace regild::test {

// Does `run`, and then calls check(disk, log) for each state in which a power cut may have left them.
inline void for_each_power_cut(
    TestVolume& volume, const std::function<void()>& run,
    const std::function<void(const ByteVector& disk, const ByteVector& log)>& check) {
    const std::vector<DeviceCache> before{{volume.data.content(), {}}, {volume.log_device.content(), {}}};
    volume.journal.entries.clear();
    run();
    REQUIRE(volume.journal.entries.size() > 4);
    std::vector<DeviceOperation> operations;
    for (const Journal::Entry& entry : volume.journal.entries)
        operations.push_back({entry.to_log ? std::size_t{1} : 0, &entry.operation});
    for_each_power_cut(before, operations,
                       [&](const std::vector<ByteVector>& left, std::size_t) { check(left[0], left[1]); });
}

}  // namespace regild::test
