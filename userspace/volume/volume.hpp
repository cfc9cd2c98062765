// SPDX-License-Identifier: GPL-2.0-or-later
// A volume: a data device and its log, opened together and checked against each other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "block/device.hpp"
#include "log/write_log.hpp"
#include "store/source.hpp"
#include "volume/layout.hpp"
#include "volume/state.hpp"

namespace regild::volume {

// What the owner allows when a log is formatted.
struct FormatRules {
    bool adopt = false;            // overwrite devices that hold something else
    bool allow_downgrade = false;  // go below the version floor of the log that is there
};

struct VolumePaths {
    std::string data;  // a path or a tag, see block::resolve
    std::string log;
};

struct NoUsableLog {
    std::string reason;
    bool is_of_this_disk = false;
};

class Volume {
  public:
    // Failure::busy: another process has a device. Failure::refused: one is the other, is mounted or mapped,
    // or the log's format is not known to this version. A log whose manifest `trust` does not vouch for is
    // not usable (invariant 11).
    static Result<Volume> open(const VolumePaths& paths, block::Access access, store::Trust trust = {});

    block::Device& data() { return *data_; }
    block::Device& log_device() { return *log_device_; }
    const DiskIdentity& identity() const { return identity_; }
    const store::Trust& trust() const { return trust_; }
    // Nothing where no log counts for this disk; unusable_reason() then says why: "there is no log on
    // /dev/vda3", "the log on /dev/vda3 was made for another disk (...)".
    // A usable one was written for this disk and fits it, with a manifest in its image record.
    log::WriteLog* usable_log() { return std::get_if<log::WriteLog>(&log_); }
    const log::WriteLog* usable_log() const { return std::get_if<log::WriteLog>(&log_); }
    const std::string& unusable_reason() const { return std::get<NoUsableLog>(log_).reason; }
    // Only with a usable log.
    log::WriteLog& log() { return std::get<log::WriteLog>(log_); }
    const format::ImageRecord& record() { return *log().record(); }
    store::KnownChannels known_channels() { return {record().channels, record().image, trust_}; }
    VolumeFacts facts() const { return usable_log() ? facts_of(*usable_log()) : VolumeFacts{}; }

    // Whether the log may be formatted (invariant 10): refused for a disk that nothing tells from others of
    // its size, and unless `adopt`, or there is a log of this disk, usable or not trusted, or the data device
    // is blank or of our own partition type and the log device is blank, of our own partition type or left by
    // a format that was cut off.
    Result<void> check_may_format(bool adopt);
    // Refused when the image does not fit the data device, or its log the log device.
    Result<void> check_fits(const format::Manifest& manifest) const;
    // Formats the log for `source`, after both checks: every block marked, state `provisioning`. Unless the
    // data device is blank its blocks are `unknown`: hashed before they are fetched. Failure::refused for a
    // version below the floor in the record of the log that is there, usable or not, if it is of this image;
    // with keys, for a channel older than the one in that record.
    Result<void> format(const store::Source& source, FormatRules rules);

    // The layout of the log that the version it holds needs. Only with a usable log.
    format::LogGeometry layout() { return layout_for(record()); }
    // Puts right what a power cut, or a bad superblock, left in a usable log: to be called before anything is
    // done to the volume.
    Result<void> repair();

    // Failure::refused unless the volume may be mapped: a usable log and the state golden (invariant 9).
    Result<void> check_mappable();

  private:
    Volume() = default;
    void take(std::optional<log::WriteLog> found);
    // Of the log that is there, usable or not, if it is of this image; nullptr: it is not.
    const format::ImageRecord* record_before(const std::string& image) const;
    Result<void> check_version(const store::Source& source, bool allow_downgrade) const;

    store::Trust trust_;
    std::unique_ptr<block::Device> data_;
    std::unique_ptr<block::Device> log_device_;
    DiskIdentity identity_;
    std::variant<NoUsableLog, log::WriteLog> log_;
    std::optional<format::ImageRecord> last_record_;  // also of a log that is not usable
};

}  // namespace regild::volume
