// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/thaw.hpp"

#include "base/utc.hpp"
#include "volume/trial.hpp"

namespace regild::volume {

using format::ImageRecord;

std::string how_long(const format::Thaw& thaw) {
    if (thaw.boots > 0)
        return "for " + std::to_string(thaw.boots) + (thaw.boots == 1 ? " more boot" : " more boots");
    if (thaw.until > 0) return "until " + utc_text(thaw.until);
    return "until 'regild freeze'";
}

std::optional<format::Thaw> after_boot(format::Thaw thaw) {
    if (thaw.boots == 1) return std::nullopt;
    if (thaw.boots > 1) --thaw.boots;
    return thaw;
}

Result<void> thaw(log::WriteLog& log, format::Thaw thaw) {
    ImageRecord record = *log.record();
    if (record.state != format::VolumeState::golden)
        return Error{Failure::refused, std::string("the volume is half done (state ") +
                                           to_string(record.state) +
                                           "): it can be thawed once a boot has finished it"};
    if (record.untouched)
        return Error{Failure::refused, "nothing of version " + std::to_string(record.image_version) +
                                           " was written yet: it can be thawed once a boot has done that"};
    if (is_on_trial(record))
        return Error{Failure::refused, "version " + std::to_string(record.image_version) +
                                           " is on trial, which may end in a restore: confirm it with "
                                           "'regild mark-good' first"};
    record.thaw = thaw;
    return log.write_record(std::move(record));
}

Result<bool> freeze(log::WriteLog& log) {
    ImageRecord record = *log.record();
    if (!record.thaw) return false;
    record.thaw = std::nullopt;
    if (Result<void> written = log.write_record(std::move(record)); !written) return written.error();
    return true;
}

Result<void> count_thawed_boot(log::WriteLog& log) {
    ImageRecord record = *log.record();
    if (!record.thaw || record.thaw->boots == 0) return {};
    record.thaw = after_boot(*record.thaw);
    return log.write_record(std::move(record));
}

Result<void> check_not_thawed(const log::WriteLog& log, const std::string& command) {
    if (!log.record() || !log.record()->thaw) return {};
    return Error{Failure::refused, "the volume is thawed " + how_long(*log.record()->thaw) + ", and " +
                                       command + " undoes what sessions wrote: run 'regild freeze' first"};
}

}  // namespace regild::volume
