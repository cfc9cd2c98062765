// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/layout.hpp"

#include "volume/update.hpp"

namespace regild::volume {

format::LogGeometry layout_for(const format::ImageRecord& record) {
    return format::parse_manifest(record.manifest).value().log_geometry();
}

bool is_before_of_other_layout(const format::ImageRecord& record) {
    const Result<format::Manifest> before = format::parse_manifest(record.before.manifest);
    return before && before->log_geometry() != layout_for(record);
}

Result<void> lay_out(log::WriteLog& log, format::ImageRecord record) {
    if (const Result<Update> marked = mark_all_unknown(log); !marked) return marked.error();
    record.state = format::VolumeState::provisioning;
    record.unknown = true;
    if (Result<void> written = log.write_record(std::move(record)); !written) return written;
    return finish_layout(log);
}

bool is_layout_unfinished(const log::WriteLog& log) {
    const format::ImageRecord& record = *log.record();
    return record.state == format::VolumeState::provisioning && record.unknown &&
           layout_for(record) != log.geometry();
}

Result<void> finish_layout(log::WriteLog& log) {
    const format::LogGeometry geometry = layout_for(*log.record());
    return geometry == log.geometry() ? Result<void>() : log.lay_out(geometry);
}

}  // namespace regild::volume
