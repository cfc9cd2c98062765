// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/volume.hpp"

#include <sys/stat.h>

#include <regild/regild_format.h>
#include "block/identity.hpp"
#include "volume/fit.hpp"
#include "volume/trial.hpp"

namespace regild::volume {
namespace {

// Whether both are the same device or file, perhaps under two names.
bool is_same(const block::Device& a, const block::Device& b) {
    struct stat sa;
    struct stat sb;
    if (fstat(a.fd(), &sa) != 0 || fstat(b.fd(), &sb) != 0) return false;
    if (a.is_block_device() && b.is_block_device()) return sa.st_rdev == sb.st_rdev;
    return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

constexpr const char* no_proof =
    "has neither a PARTUUID nor a WWID or serial number (give it a GPT partition, or a serial number)";

std::string describe(const DiskIdentity& disk) {
    return "PARTUUID \"" + disk.partuuid + "\", WWID \"" + disk.wwid + "\", start " +
           std::to_string(disk.start.count()) + ", " + std::to_string(disk.size.count()) + " sectors";
}

// Whether the floor of the record counts: without keys it does, and with keys where the version that it names
// is signed, and not below it.
bool floor_counts(const format::ImageRecord& record, const store::Trust& trust) {
    if (!trust.has_keys()) return true;
    const Result<format::Manifest> manifest = format::parse_manifest(record.manifest);
    return trust.check(record.manifest, record.signature).ok() && manifest &&
           manifest->image == record.image && record.version_floor <= manifest->version;
}

// `log` if nothing speaks against using it for the disk at hand.
std::variant<NoUsableLog, log::WriteLog> judge(log::WriteLog log, const DiskIdentity& identity,
                                               const block::Device& data, const std::string& log_name,
                                               const store::Trust& trust) {
    const std::optional<format::ImageRecord>& record = log.record();
    if (!record) return NoUsableLog{"the log on " + log_name + " has no valid image record"};
    if (record->disk != identity) {
        return NoUsableLog{"the log on " + log_name + " was made for another disk (" +
                           describe(record->disk) + "), and " + data.name() + " is (" + describe(identity) +
                           ")"};
    }
    if (!identity.is_proof()) {
        return NoUsableLog{"nothing proves that the log on " + log_name + " was made for " + data.name() +
                           ", which " + no_proof};
    }
    if (Result<void> believed = trust.check(record->manifest, record->signature); !believed) {
        return NoUsableLog{
            "the manifest in the log on " + log_name + " is not believed: " + believed.error().message, true};
    }
    Result<format::Manifest> manifest = format::parse_manifest(record->manifest);
    if (!manifest) {
        return NoUsableLog{"the manifest in the log on " + log_name +
                           " is damaged: " + manifest.error().message};
    }
    if (record->version_floor > record->image_version)
        return NoUsableLog{"the log on " + log_name + " allows no version as low as the one that it names",
                           true};
    const bool is_laid_out = manifest->log_geometry() == log.geometry();
    if ((!is_laid_out && !is_layout_unfinished(log)) || manifest->image != record->image ||
        manifest->version != record->image_version) {
        return NoUsableLog{
            "the log on " + log_name + " and the manifest in its image record contradict each other", true};
    }
    if (!trust.allows(manifest->image))
        return NoUsableLog{"the log on " + log_name + " names the image " + manifest->image +
                               ", which is not that of the source: it is not believed",
                           true};
    if (data.size() < manifest->size)
        return NoUsableLog{data.name() + " is smaller than the volume in the log on " + log_name};
    return log;
}

Result<void> check_may_overwrite(block::Device& device, const std::string& own_partition_type) {
    Result<block::Content> content = block::probe_content(device);
    if (!content) return content.error();
    if (content->blank || content->partition_type == own_partition_type) return {};
    return Error{Failure::refused,
                 device.name() + " holds " + content->description +
                     " and is not a partition of regild's own type (" + own_partition_type +
                     "); to overwrite it, adopt it (--adopt, or \"adopt\": true in the configuration)"};
}

}  // namespace

Result<Volume> Volume::open(const VolumePaths& paths, block::Access access, store::Trust trust) {
    Result<std::string> data_path = block::resolve(paths.data);
    if (!data_path) return data_path.error().context("data device");
    Result<std::string> log_path = block::resolve(paths.log);
    if (!log_path) return log_path.error().context("log device");

    Result<std::unique_ptr<block::Device>> data = block::Device::open(*data_path, access);
    if (!data) return data.error().context("data device");
    // A second exclusive open of one file would fail as "in use", which would mislead.
    struct stat data_stat;
    struct stat log_stat;
    if (stat(data_path->c_str(), &data_stat) == 0 && stat(log_path->c_str(), &log_stat) == 0 &&
        data_stat.st_dev == log_stat.st_dev && data_stat.st_ino == log_stat.st_ino) {
        return Error{Failure::refused, "data and log are the same device, " + *data_path +
                                           "; give the log a partition or a file of its own"};
    }
    Result<std::unique_ptr<block::Device>> log_device = block::Device::open(*log_path, access);
    if (!log_device) return log_device.error().context("log device");

    Volume volume;
    volume.trust_ = std::move(trust);
    volume.data_ = std::move(*data);
    volume.log_device_ = std::move(*log_device);
    if (is_same(*volume.data_, *volume.log_device_)) {
        return Error{Failure::refused, "data and log are the same device, " + *data_path +
                                           "; give the log a partition or a file of its own"};
    }
    Result<DiskIdentity> identity = block::identify(*volume.data_);
    if (!identity) return identity.error();
    volume.identity_ = *std::move(identity);
    Result<std::optional<log::WriteLog>> log = log::WriteLog::open(*volume.log_device_);
    if (!log) return log.error();
    volume.take(*std::move(log));
    return volume;
}

void Volume::take(std::optional<log::WriteLog> found) {
    if (!found) {
        log_ = NoUsableLog{"there is no log on " + log_device_->name()};
        return;
    }
    last_record_ = found->record();
    log_ = judge(*std::move(found), identity_, *data_, log_device_->name(), trust_);
}

Result<void> Volume::check_may_format(bool adopt) {
    if (!identity_.is_proof())
        return Error{Failure::refused, data_->name() + " " + no_proof + ": no log can be bound to it"};
    if (adopt || usable_log() || std::get<NoUsableLog>(log_).is_of_this_disk) return {};
    if (Result<void> r = check_may_overwrite(*data_, WRITELOG_GPT_TYPE_DATA); !r) return r;
    Result<bool> unfinished = log::WriteLog::is_unfinished(*log_device_);
    if (!unfinished) return unfinished.error();
    if (*unfinished) return {};
    return check_may_overwrite(*log_device_, WRITELOG_GPT_TYPE_LOG);
}

Result<void> Volume::check_fits(const format::Manifest& manifest) const {
    if (Result<void> r = check_fits_disk(*data_, manifest); !r) return r;
    const Bytes log_length = manifest.log_geometry().log_length();
    if (log_device_->size() < log_length) {
        return Error{Failure::refused, log_device_->name() + " is too small for the log: it has " +
                                           std::to_string(log_device_->size().count()) +
                                           " bytes and the log needs " + std::to_string(log_length.count())};
    }
    return {};
}

const format::ImageRecord* Volume::record_before(const std::string& image) const {
    if (!last_record_ || last_record_->image != image) return nullptr;
    return &*last_record_;
}

Result<void> Volume::check_version(const store::Source& source, bool allow_downgrade) const {
    const format::Manifest& manifest = source.manifest;
    const format::ImageRecord* const before = allow_downgrade ? nullptr : record_before(manifest.image);
    if (!before) return {};
    const auto refuse = [this](const std::string& offered, const std::string& least) {
        return Error{
            Failure::refused,
            offered + " is offered, and the log on " + log_device_->name() + " allows none below " + least +
                "; to go back all the same, allow it (--allow-downgrade, or \"allow_downgrade\": true "
                "in the configuration)"};
    };
    if (manifest.version < before->version_floor && floor_counts(*before, trust_))
        return refuse("version " + std::to_string(manifest.version) + " of " + manifest.image,
                      std::to_string(before->version_floor));
    if (!source.channel) return {};
    const store::KnownChannels known(before->channels, before->image, trust_);
    const store::SignedChannel* const last = known.with_name(source.channel->name);
    if (last && source.channel->serial < last->serial)
        return refuse("serial number " + std::to_string(source.channel->serial) + " of the channel",
                      std::to_string(last->serial));
    return {};
}

Result<void> Volume::format(const store::Source& source, FormatRules rules) {
    if (Result<void> r = check_fits(source.manifest); !r) return r;
    if (Result<void> r = check_version(source, rules.allow_downgrade); !r) return r;
    if (Result<void> r = check_may_format(rules.adopt); !r) return r;
    Result<block::Content> content = block::probe_content(*data_);
    if (!content) return content.error();

    format::ImageRecord record;
    record.state = format::VolumeState::provisioning;
    record.unknown = !content->blank;
    record.image = source.manifest.image;
    record.image_version = source.manifest.version;
    record.version_floor = source.manifest.version;
    record.document = format::document_field(source.document);
    record.disk = identity_;
    record.manifest = source.manifest_text;
    record.signature = source.signature;
    if (const format::ImageRecord* const before =
            rules.allow_downgrade ? nullptr : record_before(record.image))
        record.channels = before->channels;
    if (source.channel) believe(record, *source.channel, trust_);
    log_ = NoUsableLog{"the log on " + log_device_->name() + " is being formatted"};
    Result<log::WriteLog> log =
        log::WriteLog::format(*log_device_, source.manifest.log_geometry(), std::move(record));
    if (!log) return log.error();
    take(*std::move(log));
    if (!usable_log()) return Error{Failure::failed, unusable_reason()};
    return {};
}

Result<void> Volume::repair() {
    if (Result<void> finished = finish_layout(log()); !finished) return finished;
    return log().repair();
}

Result<void> Volume::check_mappable() {
    if (!usable_log()) {
        return Error{Failure::refused, unusable_reason() + "; run regild provision first"};
    }
    if (record().state != format::VolumeState::golden) {
        return Error{Failure::refused,
                     std::string("the volume is half done (state ") + to_string(record().state) +
                         "); run regild " +
                         (record().state == format::VolumeState::provisioning ? "provision" : "restore") +
                         " to finish it"};
    }
    return {};
}

}  // namespace regild::volume
