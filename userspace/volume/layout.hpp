// SPDX-License-Identifier: GPL-2.0-or-later
// A version of another size or block size needs a log that is laid out otherwise. The record names it first,
// durably, with every block unknown; then the log is laid out anew, whoever finds it so.
#pragma once

#include "log/write_log.hpp"

namespace regild::volume {

// What the version that the record of this log names needs; the log may still be laid out for another one.
// Only with a record whose manifest is valid.
format::LogGeometry layout_for(const format::ImageRecord& record);

// Whether the version before needs another layout than the one that is on trial. False where there is none.
bool is_before_of_other_layout(const format::ImageRecord& record);

// Makes `record`, which names a version of another layout, the log's, and lays the log out for it. All blocks
// are marked and unknown then, and the state is `provisioning`: nothing maps the volume before it is golden.
// Cut off before the record is durable, the volume is as it was but for marks of unknown blocks; after it,
// finish_layout() goes on.
Result<void> lay_out(log::WriteLog& log, format::ImageRecord record);

// Whether lay_out() was cut off: the log is laid out for another version than its record names.
bool is_layout_unfinished(const log::WriteLog& log);
Result<void> finish_layout(log::WriteLog& log);

}  // namespace regild::volume
