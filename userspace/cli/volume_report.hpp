// SPDX-License-Identifier: GPL-2.0-or-later
// What restoring and verifying a volume came to, for people and as JSON; regild(8) documents the keys.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>

#include "volume/verify.hpp"
#include "volume/volume.hpp"

namespace regild::cli {

struct RestoreSummary {
    const char* outcome;  // "clean", "restored" or "provisioned"
    volume::RestoreReport report;
    std::chrono::duration<double> took{};
};

std::string image_text(const format::ImageRecord& record);     // "image kiosk version 1"
std::string blocks_text(Blocks blocks, BlockSize block_size);  // "5 blocks (320 KiB)"

// Null for a record that is not thawed.
nlohmann::ordered_json thaw_json(const std::optional<format::Thaw>& thaw);

// The keys that the report of a boot has too.
void add_restore(nlohmann::ordered_json& json, BlockSize block_size, const volume::RestoreReport& report);

void print_restore(std::ostream& out, bool as_json, volume::Volume& volume, const RestoreSummary& summary);
void print_verify(std::ostream& out, bool as_json, volume::Volume& volume,
                  const volume::VerifyReport& report);

}  // namespace regild::cli
