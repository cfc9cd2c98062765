// SPDX-License-Identifier: GPL-2.0-or-later
// A kiosk on plain files: a store made by publish, read through file: URLs, and a mapper that records what it
// is asked.
#pragma once

#include <catch2/catch.hpp>
#include <random>

#include "boot/boot.hpp"
#include "files.hpp"
#include "publish/publish.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::test {

using boot::BootOptions;
using boot::BootReport;

// The source of a kiosk whose store is not on its own disk.
inline constexpr const char* behind_a_network = "http://images.example/kiosk/stable.json";

inline constexpr std::size_t block_bytes = 4096;
inline constexpr std::size_t image_blocks = 40;

// What does not compress, every fifth block zeros.
inline std::string golden_image(std::size_t blocks = image_blocks) {
    std::mt19937 random(1);  // NOLINT: the same image in every run
    std::string image;
    image.reserve(blocks * block_bytes);
    for (std::size_t n = 0; n < blocks; n++)
        for (std::size_t i = 0; i < block_bytes; i++)
            image += n % 5 == 4 ? '\0' : static_cast<char>(random());
    return image;
}

// What happened to the mapped device; `at_activation` runs when the volume goes live.
struct MapperTrace {
    unsigned held = 0;
    unsigned activated = 0;
    std::string table;
    std::function<void()> at_hold = [] {};
    std::function<void()> at_activation = [] {};
};

class FakeMapping final : public dm::Mapping {
  public:
    explicit FakeMapping(MapperTrace& trace) : trace_(trace) {}
    Result<void> activate() override {
        trace_.at_activation();
        trace_.activated++;
        return {};
    }
    std::string path() const override { return "/dev/mapper/kiosk"; }

  private:
    MapperTrace& trace_;
};

class FakeMapper final : public dm::Mapper {
  public:
    explicit FakeMapper(MapperTrace& trace) : trace_(trace) {}
    Result<std::unique_ptr<dm::Mapping>> hold(const std::string&, const std::string&,
                                              const dm::WritelogTable& table) override {
        trace_.held++;
        trace_.table = table.parameters();
        trace_.at_hold();
        return std::unique_ptr<dm::Mapping>(std::make_unique<FakeMapping>(trace_));
    }
    Result<void> remove(const std::string&) override { return {}; }

  private:
    MapperTrace& trace_;
};

// After `left` of them have come the server is down, and when `until_down`, which counts on, has come to 0.
class FailingRanges final : public net::Ranges {
  public:
    FailingRanges(net::Ranges& ranges, unsigned left, unsigned& until_down)
        : ranges_(ranges), left_(left), until_down_(until_down) {}
    std::optional<net::Range> next() override { return ranges_.next(); }
    Result<void> verify(std::size_t number) override { return ranges_.verify(number); }
    Result<void> arrived(std::size_t number) override {
        if (left_ == 0 || until_down_ == 0) return Error{Failure::network, "the server is down"};
        --left_;
        --until_down_;
        return ranges_.arrived(number);
    }
    void moved(Bytes bytes) override { ranges_.moved(bytes); }

  private:
    net::Ranges& ranges_;
    unsigned left_;
    unsigned& until_down_;
};

// Fails the first `failures` calls as if the server were down, one each time that `ranges` have come, and all
// when `until_down` have come in all.
class UnreliableFetcher final : public net::Fetcher {
  public:
    UnreliableFetcher(unsigned& failures, unsigned ranges, unsigned& until_down, const StopFlag& stop)
        : failures_(failures),
          ranges_(ranges),
          until_down_(until_down),
          fetcher_(net::make_http_fetcher({}, stop)) {}
    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        if (failures_ > 0) return down();
        return fetcher_->get(url, limit);
    }
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (failures_ > 0) return down();
        FailingRanges failing(ranges, ranges_, until_down_);
        return fetcher_->get_ranges(url, failing);
    }
    net::Totals totals() const override { return fetcher_->totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_->allow(most); }

  private:
    Error down() {
        failures_--;
        return {Failure::network, "the server is down"};
    }
    unsigned& failures_;
    const unsigned ranges_;
    unsigned& until_down_;
    std::unique_ptr<net::Fetcher> fetcher_;
};

// Takes what it is asked for behind the network from the store in a folder.
class MappedFetcher final : public net::Fetcher {
  public:
    MappedFetcher(std::unique_ptr<net::Fetcher> fetcher, const std::filesystem::path& store)
        : fetcher_(std::move(fetcher)), store_("file://" + store.string()) {}
    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        return fetcher_->get(mapped(url), limit);
    }
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        return fetcher_->get_ranges(mapped(url), ranges);
    }
    net::Totals totals() const override { return fetcher_->totals(); }
    void allow(std::optional<Bytes> most) override { fetcher_->allow(most); }

  private:
    net::Url mapped(const net::Url& url) const {
        const std::string& text = url.with_credentials();
        const std::string host = "http://images.example";
        return text.starts_with(host) ? *net::Url::parse(store_ + text.substr(host.size())) : url;
    }
    std::unique_ptr<net::Fetcher> fetcher_;
    std::string store_;
};

// Of an image of so many blocks.
class Kiosk {
  public:
    explicit Kiosk(std::size_t blocks = image_blocks,
                   const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : directory(parent) {
        write_file(directory / "golden.img", golden_image(blocks));
        publish(1);
        write_file(data(), std::string((blocks + 3) * block_bytes, '\0'));
        write_file(log(), std::string(std::size_t{1} << 20, '\0'));
        configuration.data = data();
        configuration.log = log();
        configuration.source = "file://" + (directory / "store/kiosk/stable.json").string();
        configuration.name = "kiosk";
        configuration.device_timeout = std::chrono::seconds(0);
    }

    // What is golden now becomes this version.
    void publish(std::uint64_t version) {
        publish::PublishRequest request{.image_file = directory / "golden.img",
                                        .store = directory / "store",
                                        .image = "kiosk",
                                        .version = version,
                                        .block_size = *BlockSize::from_bytes(block_bytes),
                                        .channel = "stable"};
        Result<publish::PublishReport> published = publish::publish(request, observer, stop);
        if (!published) throw std::runtime_error(published.error().message);
    }
    void publish_with_changes(std::uint64_t version, const std::vector<std::size_t>& changed_blocks) {
        for (const std::size_t block : changed_blocks)
            overwrite(directory / "golden.img", block * block_bytes, "of version " + std::to_string(version));
        publish(version);
    }

    std::filesystem::path data() { return directory / "data"; }
    std::filesystem::path log() { return directory / "log"; }

    Result<BootReport> boot(boot::Course* course = nullptr) {
        FakeMapper mapper(trace);
        return boot::boot(
            configuration, options,
            {.make_fetcher =
                 [this](const net::WrapFetcher& wrap) {
                     fetchers++;
                     return wrap(std::make_unique<MappedFetcher>(
                         std::make_unique<UnreliableFetcher>(failures, ranges_to_come, until_down, stop),
                         directory / "store"));
                 },
             .mapper = mapper,
             .observer = observer,
             .stop = stop,
             .wait = [this](std::chrono::milliseconds duration) -> Result<void> {
                 waits.push_back(duration);
                 time += duration;
                 if (waits.size() > 100) return Error{Failure::interrupted, "it waits for ever"};
                 at_wait();
                 return {};
             },
             .now = [this] { return time; },
             .date = [this] { return date; },
             .up_to =
                 [this](std::chrono::milliseconds longest) {
                     longest_jitter = longest;
                     return jitter;
                 },
             .trust = trust},
            course);
    }

    bool is_golden() {
        const std::string golden = read_file(directory / "golden.img");
        return read_file(data()).substr(0, golden.size()) == golden;
    }

    // As a session does through the target: first the mark, then other bytes.
    void dirty(std::uint64_t block, std::uint64_t blocks = 1) {
        with_log([&](log::WriteLog& store) {
            const BlockRange range{BlockIndex(block), Blocks(blocks)};
            REQUIRE(store.bitmap().mark({&range, 1}).ok());
        });
        overwrite(data(), block * block_bytes, std::string(blocks * block_bytes, '!'));
    }

    // Also while a boot holds the log.
    format::ImageRecord record() {
        format::ImageRecord record;
        with_log([&](log::WriteLog& store) { record = *store.record(); }, block::Access::read);
        return record;
    }
    std::uint32_t unrestored_boots() { return record().unrestored_boots; }
    // As root in a session can.
    template <class Change>
    void change_record(Change change) {
        with_log([&](log::WriteLog& store) {
            format::ImageRecord record = *store.record();
            change(record);
            REQUIRE(store.write_record(record).ok());
        });
    }
    void set_state(format::VolumeState state) {
        change_record([&](format::ImageRecord& record) { record.state = state; });
    }

    Blocks marked() {
        Blocks count;
        with_log([&](log::WriteLog& store) { count = store.bitmap().marked(); });
        return count;
    }

    template <class Use>
    void with_log(Use use, block::Access access = block::Access::exclusive) {
        Result<std::unique_ptr<block::Device>> device = block::Device::open(log(), access);
        REQUIRE(device.ok());
        Result<std::optional<log::WriteLog>> store = log::WriteLog::open(**device);
        REQUIRE(store.ok());
        REQUIRE(store->has_value());
        use(**store);
    }

    TemporaryDirectory directory;
    format::Configuration configuration;
    BootOptions options;
    store::Trust trust;
    MapperTrace trace;
    SilentObserver observer;
    StopFlag stop;
    unsigned fetchers = 0;
    unsigned failures = 0;
    unsigned ranges_to_come = UINT_MAX;
    unsigned until_down = UINT_MAX;
    std::vector<std::chrono::milliseconds> waits;  // asked for and not slept
    std::function<void()> at_wait = [] {};
    std::chrono::steady_clock::time_point time;  // moved on by waiting alone
    std::uint64_t date = 1800000000;             // 2027-01-15T08:00:00Z
    std::chrono::milliseconds jitter{};
    std::chrono::milliseconds longest_jitter{};
};

// A kiosk that was provisioned by a first boot.
class ProvisionedKiosk : public Kiosk {
  public:
    explicit ProvisionedKiosk(std::size_t blocks = image_blocks,
                              const std::filesystem::path& parent = std::filesystem::temp_directory_path())
        : Kiosk(blocks, parent) {
        Result<BootReport> first = boot();
        if (!first) throw std::runtime_error(first.error().message);
        trace = {};
        fetchers = 0;
    }
};

}  // namespace regild::test
