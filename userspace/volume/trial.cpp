// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/trial.hpp"

#include <algorithm>

namespace regild::volume {

using format::ImageRecord;

namespace {

void hold(ImageRecord& record, const store::Source& version) {
    record.image_version = version.manifest.version;
    record.manifest = version.manifest_text;
    record.signature = version.signature;
}

// There is no way back any more.
void end(ImageRecord& record) {
    record.before = {};
    record.trial_boots = 0;
    record.untouched = false;
}

void confirm(ImageRecord& record) {
    end(record);
    record.version_floor = std::max(record.version_floor, record.image_version);
}

}  // namespace

void believe(ImageRecord& record, const store::SignedChannel& channel, const store::Trust& trust) {
    if (!trust.has_keys()) return;
    record.channels = store::KnownChannels(record.channels, record.image, trust).kept_with(channel);
}

bool is_on_trial(const ImageRecord& record) {
    return record.before && !record.untouched;
}

bool will_be_on_trial(const ImageRecord& record) {
    return record.before && record.untouched && record.trial_boots > 0;
}

bool is_trial_over(const ImageRecord& record) {
    return is_on_trial(record) && record.trial_boots == 0;
}

void install(ImageRecord& record, const store::Source& next, std::uint32_t trial_boots) {
    if (!record.before) {
        record.before = {record.manifest, record.signature};
        record.untouched = true;
    }
    record.trial_boots = trial_boots;
    record.rejected_version = 0;
    record.staged = {};
    if (!next.document.empty()) record.document = format::document_field(next.document);
    hold(record, next);
    if (is_trial_over(record)) confirm(record);
}

void put_back(ImageRecord& record, const store::Source& before) {
    if (!record.untouched) record.rejected_version = record.image_version;
    end(record);
    hold(record, before);
}

void touch(ImageRecord& record) {
    if (!record.untouched) return;
    record.untouched = false;
    if (is_trial_over(record)) confirm(record);
}

Result<void> count_boot(log::WriteLog& log) {
    ImageRecord record = *log.record();
    if (!is_on_trial(record) || record.trial_boots == 0) return {};
    --record.trial_boots;
    return log.write_record(std::move(record));
}

Result<void> end_trial(log::WriteLog& log) {
    ImageRecord record = *log.record();
    end(record);
    return log.write_record(std::move(record));
}

Result<bool> mark_good(log::WriteLog& log) {
    ImageRecord record = *log.record();
    if (!is_on_trial(record)) return false;
    confirm(record);
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    return true;
}

}  // namespace regild::volume
