// SPDX-License-Identifier: GPL-2.0-or-later
// The power is cut after every operation, with every mixture of what disk and log may have kept of the writes
// that were not flushed.
#pragma once

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::test {

// One device of the two: what is durable, and what may or may not have landed.
struct DeviceCache {
    ByteVector durable;
    std::vector<const Operation*> pending;

    void take(const Operation& operation) {
        if (operation.kind != Operation::Kind::flush) {
            pending.push_back(&operation);
            return;
        }
        durable = with([] { return true; });
        pending.clear();
    }
    // The device if each pending sector lands for which `lands` says so.
    ByteVector with(const std::function<bool()>& lands) const {
        ByteVector content = durable;
        for (const Operation* operation : pending) {
            for (std::size_t at = 0; at < operation->length.count(); at += 512) {
                if (!lands()) continue;
                std::byte* to = content.data() + operation->offset.count() + at;
                if (operation->kind == Operation::Kind::zero) {
                    std::memset(to, 0, 512);
                } else {
                    std::memcpy(to, operation->data.data() + at, 512);
                }
            }
        }
        return content;
    }
};

// Does `run`, and then calls check(disk, log) for each state in which a power cut may have left them.
inline void for_each_power_cut(
    TestVolume& volume, const std::function<void()>& run,
    const std::function<void(const ByteVector& disk, const ByteVector& log)>& check) {
    DeviceCache disk{volume.data.content(), {}};
    DeviceCache log{volume.log_device.content(), {}};
    volume.journal.entries.clear();
    run();
    REQUIRE(volume.journal.entries.size() > 4);

    std::mt19937 random(1);  // NOLINT: the same mixtures in every run
    const std::vector<std::function<bool()>> mixtures{[] { return false; }, [] { return true; },
                                                      [&] { return (random() & 1) != 0; }};
    for (const Journal::Entry& entry : volume.journal.entries) {
        (entry.to_log ? log : disk).take(entry.operation);
        for (const auto& disk_lands : mixtures)
            for (const auto& log_lands : mixtures)
                check(disk.with(disk_lands), log.with(log_lands));
    }
}

}  // namespace regild::test
