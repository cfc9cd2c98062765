// SPDX-License-Identifier: GPL-2.0-or-later
// A version that took the place of another is on trial until it is confirmed: what its record says of that.
#pragma once

#include "log/write_log.hpp"
#include "store/source.hpp"

namespace regild::volume {

// With keys what the channel says counts from now on; what does not count any more is forgotten.
void believe(format::ImageRecord& record, const store::SignedChannel& channel, const store::Trust& trust);

// Whether there is a version to go back to, and blocks of the one on trial have been written.
bool is_on_trial(const format::ImageRecord& record);
// Whether the one in the record will be on trial, and nothing of it was written yet in place of the other.
bool will_be_on_trial(const format::ImageRecord& record);
// It was not confirmed within the boots that it had.
bool is_trial_over(const format::ImageRecord& record);

// `next` takes the place of the version in the record, which is gone back to unless `next` is confirmed
// within so many boots; the one before that, if it was not confirmed itself. 0: it needs no confirmation once
// something of it has been written.
void install(format::ImageRecord& record, const store::Source& next, std::uint32_t trial_boots);
// The version before takes the place of the one on trial, which is noted as rejected if it was started.
void put_back(format::ImageRecord& record, const store::Source& before);
// A block of the version in the record is about to be written, or its mark cleared as right.
void touch(format::ImageRecord& record);
// The volume is about to be mapped. Durable when it returns.
Result<void> count_boot(log::WriteLog& log);
// There is nothing to go back to: the version stays, and is not confirmed.
Result<void> end_trial(log::WriteLog& log);
// Confirms the version that runs; false: it is not on trial. May be called while the volume is mapped.
Result<bool> mark_good(log::WriteLog& log);

}  // namespace regild::volume
