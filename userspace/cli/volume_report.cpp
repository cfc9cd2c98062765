// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/volume_report.hpp"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/utc.hpp"
#include "cli/json_text.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;

ordered_json volume_json(const char* outcome, volume::Volume& volume) {
    const format::LogGeometry& geometry = volume.log().geometry();
    ordered_json json;
    json["outcome"] = outcome;
    json["image"] = volume.record().image;
    json["version"] = volume.record().image_version;
    json["block_size"] = geometry.block_size().bytes().count();
    json["blocks"] = geometry.blocks().count();
    return json;
}

}  // namespace

std::string image_text(const format::ImageRecord& record) {
    return "image " + record.image + " version " + std::to_string(record.image_version);
}

std::string blocks_text(Blocks blocks, BlockSize block_size) {
    return std::to_string(blocks.count()) + (blocks == Blocks(1) ? " block (" : " blocks (") +
           format_size(block_size.bytes_of(blocks)) + ")";
}

ordered_json thaw_json(const std::optional<format::Thaw>& thaw) {
    if (!thaw) return nullptr;
    return {{"boots_left", thaw->boots > 0 ? ordered_json(thaw->boots) : ordered_json(nullptr)},
            {"until", thaw->until > 0 ? ordered_json(utc_text(thaw->until)) : ordered_json(nullptr)}};
}

void add_restore(ordered_json& json, BlockSize block_size, const volume::RestoreReport& report) {
    json["marked_blocks"] = report.marked.count();
    json["marked_bytes"] = block_size.bytes_of(report.marked).count();
    json["fetched_blocks"] = report.fetched.count();
    for (const store::NearbyKind* kind : volume::nearby_kinds())
        json[std::string(kind->taken) + "_blocks"] = report.from(*kind).blocks.count();
    json["zeroed_blocks"] = report.zeroed.count();
    json["already_right_blocks"] = report.already_right.count();
    json["read_back_blocks"] = report.read_back.count();
    json["rewritten_blocks"] = report.rewritten.count();
    for (const store::NearbyKind* kind : volume::nearby_kinds())
        if (kind->keeps_frames) json[std::string("bytes_") + kind->taken] = report.from(*kind).frames.count();
    json["bytes_fetched"] = report.bytes_fetched.count();
    json["requests"] = report.requests;
}

void print_restore(std::ostream& out, bool as_json, volume::Volume& volume, const RestoreSummary& summary) {
    const volume::RestoreReport& report = summary.report;
    const BlockSize block_size = volume.log().geometry().block_size();
    if (as_json) {
        ordered_json json = volume_json(summary.outcome, volume);
        json["seconds"] = std::round(summary.took.count() * 1000) / 1000;
        add_restore(json, block_size, report);
        out << json_text(json);
        return;
    }
    if (report.marked == Blocks(0)) {
        out << image_text(volume.record()) << ": golden, no block is marked\n";
        return;
    }
    char seconds[32];
    snprintf(seconds, sizeof(seconds), "%.1f", summary.took.count());
    out << image_text(volume.record()) << ": golden\n"
        << "restored   " << blocks_text(report.marked, block_size) << " in " << seconds << " s\n"
        << "written    " << report.fetched.count() << " fetched, ";
    for (const store::NearbyKind* kind : volume::nearby_kinds()) {
        const volume::Written written = report.from(*kind);
        out << written.blocks.count() << " of the " << kind->name;
        if (kind->keeps_frames && written.blocks > Blocks(0))
            out << " (" << format_size(written.frames) << ")";
        out << ", ";
    }
    out << report.zeroed.count() << " zeroed; " << report.already_right.count() << " were right already\n";
    if (report.read_back > Blocks(0))
        out << "read back  " << report.read_back.count() << ", of which " << report.rewritten.count()
            << " had to be written once more\n";
    out << "received   " << format_size(report.bytes_fetched) << " in " << report.requests << " requests\n";
}

void print_verify(std::ostream& out, bool as_json, volume::Volume& volume,
                  const volume::VerifyReport& report) {
    if (as_json) {
        ordered_json json = volume_json(report.golden() ? "golden" : "dirty", volume);
        json["checked_blocks"] = report.checked.count();
        json["marked_before_blocks"] = report.marked_before.count();
        json["newly_marked_blocks"] = report.newly_marked.count();
        json["unreadable_blocks"] = report.unreadable.count();
        out << json_text(json);
        return;
    }
    out << image_text(volume.record()) << ": " << (report.golden() ? "golden" : "NOT golden") << "\n"
        << "checked    " << blocks_text(report.checked, volume.log().geometry().block_size()) << "\n";
    if (report.golden()) return;
    out << "marked     " << report.marked_before.count() << " before, " << report.newly_marked.count()
        << " now; the next restore rewrites them\n"
        << "unreadable " << report.unreadable.count() << " of them\n";
}

}  // namespace regild::cli
