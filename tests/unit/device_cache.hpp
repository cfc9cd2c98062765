// SPDX-License-Identifier: GPL-2.0-or-later
// What devices with caches may hold after a power cut.
#pragma once

#include <functional>
#include <random>
#include <vector>

#include "memory_storage.hpp"

namespace regild::test {

// One device: what is durable, and what may or may not have landed.
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
    // What it may hold after a power cut now: nothing of what is pending, all, the last write alone, which
    // has overtaken the others, and a mixture of sectors.
    std::vector<ByteVector> left(std::mt19937& random) const {
        std::vector<ByteVector> states{durable};
        if (pending.empty()) return states;
        states.push_back(with([] { return true; }));
        if (pending.size() > 1)
            states.push_back(DeviceCache{durable, {pending.back()}}.with([] { return true; }));
        states.push_back(with([&] { return (random() & 1) != 0; }));
        return states;
    }
};

struct DeviceOperation {
    std::size_t device;
    const Operation* operation;
};

// Calls check(left, done) for each state in which a power cut may leave the devices when so many of the
// operations are done. The one where all has landed is what a killed process leaves.
inline void for_each_power_cut(
    std::vector<DeviceCache> devices, const std::vector<DeviceOperation>& operations,
    const std::function<void(const std::vector<ByteVector>& left, std::size_t done)>& check) {
    std::mt19937 random(1);  // NOLINT: the same mixtures in every run
    for (std::size_t done = 1; done <= operations.size(); ++done) {
        devices[operations[done - 1].device].take(*operations[done - 1].operation);
        std::vector<std::vector<ByteVector>> states{{}};
        for (const DeviceCache& device : devices) {
            std::vector<std::vector<ByteVector>> longer;
            for (const ByteVector& content : device.left(random))
                for (std::vector<ByteVector> state : states) {
                    state.push_back(content);
                    longer.push_back(std::move(state));
                }
            states = std::move(longer);
        }
        for (const std::vector<ByteVector>& state : states)
            check(state, done);
    }
}

}  // namespace regild::test
