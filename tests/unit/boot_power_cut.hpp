// SPDX-License-Identifier: GPL-2.0-or-later
// A kiosk whose power is cut at any operation of a boot, or of what is done to its log meanwhile; the boots
// that follow must make the best of it.
#pragma once

#include <map>
#include <tuple>

#include "boot_signed_kiosk.hpp"
#include "device_cache.hpp"
#include "file_journal.hpp"
#include "log_fixture.hpp"
#include "volume/layout.hpp"

namespace regild::test {

struct Layout {
    std::size_t blocks;
    std::uint64_t block_size;
};

// Provisioned, and its store is signed.
class CutKiosk : public SignedKiosk {
  public:
    CutKiosk() : SignedKiosk(image_blocks, memory_directory()) {
        sign();
        booted();
        trace = {};
        fetchers = 0;
        images[1] = read_file(directory / "golden.img");
        trace.at_activation = [this] { at_start(); };
    }
    // Some of its blocks are as in version 1.
    void publish_other(std::uint64_t version, Layout layout) {
        write_file(directory / "golden.img", golden_image(layout.blocks));
        for (const std::size_t block : {2, 9})
            overwrite(directory / "golden.img", block * block_bytes, "of version " + std::to_string(version));
        const publish::PublishRequest request{.image_file = directory / "golden.img",
                                              .store = directory / "store",
                                              .image = "kiosk",
                                              .version = version,
                                              .block_size = *BlockSize::from_bytes(layout.block_size),
                                              .channel = "stable"};
        REQUIRE(publish::publish(request, observer, stop).ok());
        sign();
        images[version] = read_file(directory / "golden.img");
    }
    BootReport booted() {
        Result<BootReport> report = boot();
        if (!report) FAIL(report.error().message);
        return *report;
    }
    // Nothing: there is no log.
    std::optional<format::ImageRecord> found_record() {
        const auto device = block::Device::open(log(), block::Access::read);
        REQUIRE(device.ok());
        const auto found = log::WriteLog::open(**device);
        REQUIRE(found.ok());
        return *found ? (*found)->record() : std::nullopt;
    }
    format::ImageRecord record() { return found_record().value(); }
    std::string disk() { return read_file(data()); }
    bool holds(std::uint64_t version) { return disk().starts_with(images.at(version)); }

    // As dirty(), in a layout of whatever block size; some of what it writes is not the same in all versions.
    void session() {
        std::size_t bytes = 0;
        with_log([&](log::WriteLog& log) {
            bytes = log.geometry().block_size().bytes().count();
            const std::vector<BlockRange> written{blocks(1, 2), blocks(7, 1)};
            REQUIRE(log.bitmap().mark(written).ok());
        });
        overwrite(data(), bytes, std::string(2 * bytes, '!'));
        overwrite(data(), 7 * bytes, std::string(bytes, '!'));
    }

    // Does `run`; then puts the devices into each state in which a power cut may leave them, looks whether
    // the log tells the truth, and calls check(). At the end all is as `run` has left it.
    void cut_everywhere(const std::function<void()>& run, const std::function<void()>& check) {
        const std::vector<ByteVector> before = contents();
        const std::string disk_before = disk();
        const std::optional<format::ImageRecord> record_before = found_record();
        const auto starts_before = std::pair(starts, kept_starts);
        std::vector<FileOperation> journal;
        {
            FileJournal recording(devices());
            recording_ = &recording;
            started_at_ = SIZE_MAX;
            run();
            recording_ = nullptr;
            journal = recording.take();
        }
        const std::vector<ByteVector> after = contents();
        const auto starts_after = std::pair(starts, kept_starts);
        const std::size_t started_at = started_at_;

        std::vector<DeviceCache> caches;
        for (const ByteVector& content : before)
            caches.push_back({content, {}});
        std::vector<DeviceOperation> operations;
        for (const FileOperation& done : journal)
            operations.push_back({done.file, &done.operation});
        REQUIRE(operations.size() > 1);
        for_each_power_cut(caches, operations, [&](const std::vector<ByteVector>& left, std::size_t done) {
            put(left);
            std::tie(starts, kept_starts) = done < started_at ? starts_before : starts_after;
            check_truth(disk_before, record_before);
            check();
        });
        put(after);
        std::tie(starts, kept_starts) = starts_after;
    }

    std::map<std::uint64_t, std::string> images;  // by version
    std::map<std::uint64_t, unsigned> starts;     // of a whole version
    std::optional<std::string> kept;              // what sessions wrote, which may be started as it is
    unsigned kept_starts = 0;                     // of that
    bool marks_tell_all = true;                   // nothing was changed behind the log's back
    std::filesystem::path cache;                  // a device as well, if there is one

  private:
    std::vector<std::filesystem::path> devices() {
        std::vector<std::filesystem::path> devices{data(), log()};
        if (!cache.empty()) devices.push_back(cache);
        return devices;
    }
    std::vector<ByteVector> contents() {
        std::vector<ByteVector> contents;
        for (const std::filesystem::path& device : devices()) {
            const std::string content = read_file(device);
            const ConstByteSpan bytes = as_bytes(content);
            contents.emplace_back(bytes.begin(), bytes.end());
        }
        return contents;
    }
    void put(const std::vector<ByteVector>& contents) {
        for (std::size_t i = 0; i < contents.size(); ++i)
            overwrite(devices()[i], 0, std::string(as_text(contents[i])));
        observer.lines.clear();
        observer.events.clear();
        waits.clear();
    }

    // The volume goes live: whole, and of the version in the record, or what its owner keeps.
    void at_start() {
        if (recording_ != nullptr) started_at_ = recording_->size();
        const format::ImageRecord found = record();
        REQUIRE(found.state == format::VolumeState::golden);
        const std::string live = disk();
        if (kept && live == *kept) {
            ++kept_starts;
            return;
        }
        if (!live.starts_with(images.at(found.image_version)))
            FAIL("what is started is not version " << found.image_version);
        ++starts[found.image_version];
    }

    void check_truth(const std::string& disk_before, const std::optional<format::ImageRecord>& before) {
        const std::optional<format::ImageRecord> found = found_record();
        if (!found) return;
        if (before) {
            REQUIRE(found->version_floor >= before->version_floor);
            const store::KnownChannels known(found->channels, found->image, trust);
            for (const format::KeptChannel& kept_before : before->channels) {
                const format::Channel channel = format::parse_channel(kept_before.text).value();
                REQUIRE(known.with_name(channel.name));
                REQUIRE(known.with_name(channel.name)->serial >= channel.serial);
            }
            if (found->before && found->image_version == before->image_version)
                REQUIRE(found->trial_boots <= before->trial_boots);
        }
        // Of a layout that is not finished all is unknown.
        with_log(
            [&](log::WriteLog& log) {
                if (!volume::is_layout_unfinished(log)) check_marks(log, disk_before);
            },
            block::Access::read);
    }
    void check_marks(log::WriteLog& log, const std::string& disk_before) {
        const format::ImageRecord& found = *log.record();
        const std::string& image = images.at(found.image_version);
        const std::string left = disk();
        const BlockSet marks = marks_of(log);
        const std::size_t bytes = log.geometry().block_size().bytes().count();
        for (std::uint64_t n = 0; marks_tell_all && n < log.geometry().blocks().count(); ++n) {
            const std::size_t length = std::min(bytes, image.size() - n * bytes);
            if (!marks.test(BlockIndex(n)) && left.compare(n * bytes, length, image, n * bytes, length) != 0)
                FAIL("block " << n << " is not of version " << found.image_version << " and is not marked");
        }
        // A mixture says that it is one (invariant 9).
        if (found.state == format::VolumeState::golden)
            REQUIRE((left == disk_before || left.starts_with(image)));
    }

    FileJournal* recording_ = nullptr;  // while one is made
    std::size_t started_at_ = 0;        // so many operations were done then
};

}  // namespace regild::test
