// SPDX-License-Identifier: GPL-2.0-or-later
// Boot on plain files: a store made by publish, read through file: URLs, and a mapper that records what it is
// asked.
#include "boot/boot.hpp"

#include "boot/hold.hpp"
#include "boot/policy.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "files.hpp"
#include "publish/publish.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::boot {
namespace {

using test::overwrite;
using test::read_file;
using test::write_file;

constexpr std::size_t block_bytes = 4096;
constexpr std::size_t image_blocks = 40;

// What does not compress, every fifth block zeros.
std::string golden_image() {
    std::mt19937 random(1);  // NOLINT: the same image in every run
    std::string image;
    for (std::size_t n = 0; n < image_blocks; n++)
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

// After `left` of them have come the server is down.
class FailingRanges final : public net::Ranges {
  public:
    FailingRanges(net::Ranges& ranges, unsigned left) : ranges_(ranges), left_(left) {}
    std::optional<net::Range> next() override { return ranges_.next(); }
    Result<void> verify(std::size_t number) override { return ranges_.verify(number); }
    Result<void> arrived(std::size_t number) override {
        if (left_ == 0) return Error{Failure::network, "the server is down"};
        --left_;
        return ranges_.arrived(number);
    }
    void moved(Bytes bytes) override { ranges_.moved(bytes); }

  private:
    net::Ranges& ranges_;
    unsigned left_;
};

// Fails the first `failures` calls as if the server were down, and one each time that `ranges` have come.
class UnreliableFetcher final : public net::Fetcher {
  public:
    UnreliableFetcher(unsigned& failures, unsigned ranges, const StopFlag& stop)
        : failures_(failures), ranges_(ranges), fetcher_(net::make_http_fetcher({}, stop)) {}
    Result<std::string> get(const net::Url& url, std::size_t limit) override {
        if (failures_ > 0) return down();
        return fetcher_->get(url, limit);
    }
    Result<void> get_ranges(const net::Url& url, net::Ranges& ranges) override {
        if (failures_ > 0) return down();
        FailingRanges failing(ranges, ranges_);
        return fetcher_->get_ranges(url, failing);
    }
    net::Totals totals() const override { return fetcher_->totals(); }

  private:
    Error down() {
        failures_--;
        return {Failure::network, "the server is down"};
    }
    unsigned& failures_;
    const unsigned ranges_;
    std::unique_ptr<net::Fetcher> fetcher_;
};

class Kiosk {
  public:
    Kiosk() {
        write_file(directory / "golden.img", golden_image());
        publish::PublishRequest request{.image_file = directory / "golden.img",
                                        .store = directory / "store",
                                        .image = "kiosk",
                                        .version = 1,
                                        .block_size = *BlockSize::from_bytes(block_bytes),
                                        .channel = "stable"};
        Result<publish::PublishReport> published = publish::publish(request, observer, stop);
        if (!published) throw std::runtime_error(published.error().message);
        write_file(data(), std::string((image_blocks + 3) * block_bytes, '\0'));
        write_file(log(), std::string(std::size_t{1} << 20, '\0'));
        configuration.data = data();
        configuration.log = log();
        configuration.source = "file://" + (directory / "store/kiosk/stable.json").string();
        configuration.name = "kiosk";
        configuration.device_timeout = std::chrono::seconds(0);
    }

    std::filesystem::path data() { return directory / "data"; }
    std::filesystem::path log() { return directory / "log"; }

    Result<BootReport> boot() {
        FakeMapper mapper(trace);
        return boot::boot(configuration, options,
                          {.make_fetcher =
                               [this] {
                                   fetchers++;
                                   return std::make_unique<UnreliableFetcher>(failures, ranges_to_come, stop);
                               },
                           .mapper = mapper,
                           .observer = observer,
                           .stop = stop,
                           .wait = [this](std::chrono::milliseconds duration) -> Result<void> {
                               waits.push_back(duration);
                               if (waits.size() > 100)
                                   return Error{Failure::interrupted, "it waits for ever"};
                               at_wait();
                               return {};
                           }});
    }

    bool is_golden() { return read_file(data()).substr(0, image_blocks * block_bytes) == golden_image(); }

    // As a session does through the target: first the mark, then other bytes.
    void dirty(std::uint64_t block) {
        with_log([&](log::WriteLog& store) {
            const BlockRange range{BlockIndex(block), Blocks(1)};
            REQUIRE(store.bitmap().mark({&range, 1}).ok());
        });
        overwrite(data(), block * block_bytes, std::string(block_bytes, '!'));
    }

    void set_state(format::VolumeState state) {
        with_log([&](log::WriteLog& store) {
            format::ImageRecord record = *store.record();
            record.state = state;
            REQUIRE(store.write_record(record).ok());
        });
    }

    Blocks marked() {
        Blocks count;
        with_log([&](log::WriteLog& store) { count = store.bitmap().marked(); });
        return count;
    }

    template <class Use>
    void with_log(Use use) {
        Result<std::unique_ptr<block::Device>> device = block::Device::open(log(), block::Access::exclusive);
        REQUIRE(device.ok());
        Result<std::optional<log::WriteLog>> store = log::WriteLog::open(**device);
        REQUIRE(store.ok());
        REQUIRE(store->has_value());
        use(**store);
    }

    test::TemporaryDirectory directory;
    format::Configuration configuration;
    BootOptions options;
    MapperTrace trace;
    test::SilentObserver observer;
    StopFlag stop;
    unsigned fetchers = 0;
    unsigned failures = 0;
    unsigned ranges_to_come = UINT_MAX;
    std::vector<std::chrono::milliseconds> waits;  // asked for and not slept
    std::function<void()> at_wait = [] {};
};

// A kiosk that was provisioned by a first boot.
class ProvisionedKiosk : public Kiosk {
  public:
    ProvisionedKiosk() {
        Result<BootReport> first = boot();
        if (!first) throw std::runtime_error(first.error().message);
        trace = {};
        fetchers = 0;
    }
};

}  // namespace

TEST_CASE("a blank disk is held, provisioned, and golden when it goes live") {
    Kiosk kiosk;
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden() && kiosk.marked() == Blocks(0); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(report->version == 1);
    CHECK(report->mapped == "/dev/mapper/kiosk");
    CHECK(report->document == kiosk.configuration.source);
    CHECK(kiosk.observer.lines.find("asking " + report->document) != std::string::npos);
    CHECK(report->restore.marked == Blocks(image_blocks));
    CHECK(report->restore.zeroed == Blocks(image_blocks / 5));
    CHECK(golden_when_live);
    CHECK(kiosk.trace.table == kiosk.data().string() + " 0 " + kiosk.log().string() + " 0 8");
}

TEST_CASE("a clean disk goes live without the network being touched") {
    ProvisionedKiosk kiosk;
    kiosk.options.no_network = true;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::clean);
    CHECK(kiosk.fetchers == 0);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("marked blocks are golden again before the volume goes live") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(0);
    kiosk.dirty(4);
    kiosk.dirty(image_blocks - 1);
    bool golden_when_live = false;
    kiosk.trace.at_activation = [&] { golden_when_live = kiosk.is_golden(); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->document.empty());
    CHECK(kiosk.observer.lines.find("store/kiosk/1/image.zst") != std::string::npos);
    CHECK(report->restore.marked == Blocks(3));
    CHECK(golden_when_live);
    CHECK(kiosk.marked() == Blocks(0));
}

TEST_CASE("without the network a disk that needs it stays untouched and unheld") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    const std::string before = read_file(kiosk.data());
    kiosk.options.no_network = true;
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.trace.held == 0);
    CHECK(kiosk.fetchers == 0);
    CHECK(read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("offline halt: a dirty disk does not go live while the server is down") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.configuration.offline = format::OfflinePolicy::halt;
    kiosk.failures = 1;
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::network);
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("offline wait: the boot says so, tries again and goes on") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.failures = 3;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(kiosk.observer.lines.find("the server is down; trying again in 2 s") != std::string::npos);
    using std::chrono::seconds;
    CHECK(kiosk.waits == std::vector<std::chrono::milliseconds>{seconds(2), seconds(4), seconds(8)});
    CHECK(kiosk.is_golden());
}

TEST_CASE("the figures of a boot are those of all its attempts") {
    Kiosk kiosk;
    kiosk.ranges_to_come = 3;  // of the eight that the image takes, in each attempt
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(kiosk.waits.size() == 2);
    CHECK(kiosk.is_golden());
    CHECK(report->restore.marked == Blocks(image_blocks));
    CHECK(report->restore.fetched == Blocks(image_blocks / 5 * 4));
    CHECK(report->restore.zeroed == Blocks(image_blocks / 5));
    CHECK(report->restore.bytes_fetched > Bytes(image_blocks / 5 * 4 * block_bytes));
}

TEST_CASE("with a cache a dirty boot needs no network, and says when it does") {
    Kiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    REQUIRE(kiosk.boot().ok());
    kiosk.fetchers = 0;
    kiosk.options.no_network = true;

    kiosk.dirty(7);
    const Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->restore.cached == Blocks(1));
    CHECK(report->restore.requests == 0);
    CHECK(kiosk.fetchers == 0);
    CHECK(kiosk.is_golden());

    // What was in the cache is gone: nothing is touched, and nobody waits.
    write_file(kiosk.configuration.cache, std::string(std::size_t{4} << 20, '\0'));
    kiosk.dirty(7);
    const std::string before = read_file(kiosk.data());
    const Result<BootReport> missed = kiosk.boot();
    REQUIRE_FALSE(missed.ok());
    CHECK(missed.error().kind == Failure::network);
    CHECK(kiosk.waits.empty());
    CHECK(kiosk.fetchers == 0);
    CHECK(read_file(kiosk.data()) == before);
    kiosk.options.no_network = false;
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
}

TEST_CASE("a cache that is no good is said and gone on without") {
    ProvisionedKiosk kiosk;
    kiosk.configuration.cache = kiosk.directory / "cache";
    std::string said;
    std::string content;
    SECTION("missing") {
        said = "cache: ";
    }
    SECTION("too small") {
        content.assign(65536, '\0');
        said = "is too small for a cache";
    }
    SECTION("somebody else's") {
        content.assign(std::size_t{4} << 20, 'x');
        said = "is not a partition of the cache's type";
    }
    if (!content.empty()) write_file(kiosk.configuration.cache, content);
    kiosk.dirty(7);
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
    INFO(kiosk.observer.lines);
    CHECK(kiosk.observer.lines.find(said) != std::string::npos);
    CHECK(kiosk.observer.lines.find("going on without a cache") != std::string::npos);
    if (!content.empty()) CHECK((read_file(kiosk.configuration.cache) == content));
}

TEST_CASE("a missing image is said and asked for again, and the boot goes on when it is there") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    const std::filesystem::path image = kiosk.directory / "store/kiosk/1/image.zst";
    std::filesystem::rename(image, kiosk.directory / "elsewhere");
    SECTION("it comes back") {
        kiosk.at_wait = [&] {
            if (kiosk.waits.size() == 3) std::filesystem::rename(kiosk.directory / "elsewhere", image);
        };
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.waits.size() == 3);
        CHECK(kiosk.observer.lines.find("trying again in 8 s") != std::string::npos);
        CHECK(kiosk.is_golden());
    }
    SECTION("it does not: the boot ends with the kind of the failure, and nothing is mapped") {
        const Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::source);
        CHECK(kiosk.waits.size() == most_retries_of_a_bad_source);
        CHECK(kiosk.trace.activated == 0);
        CHECK(kiosk.marked() == Blocks(1));
    }
}

TEST_CASE("a half restored volume is never mapped, whatever the kernel argument says") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.set_state(GENERATE(format::VolumeState::restoring, format::VolumeState::provisioning));
    kiosk.configuration.allow_off = true;
    kiosk.options.skip_restore = true;
    SECTION("while the server is down it does not boot") {
        kiosk.configuration.offline = format::OfflinePolicy::halt;
        kiosk.failures = 1;
        REQUIRE_FALSE(kiosk.boot().ok());
        CHECK(kiosk.trace.activated == 0);
    }
    SECTION("with the server it is restored first") {
        REQUIRE(kiosk.boot().ok());
        CHECK(kiosk.is_golden());
    }
}

TEST_CASE("a held volume that is half restored does not go live") {
    ProvisionedKiosk kiosk;
    kiosk.set_state(GENERATE(format::VolumeState::restoring, format::VolumeState::provisioning));
    Result<volume::Volume> seen = volume::Volume::open({kiosk.data(), kiosk.log()}, block::Access::read);
    REQUIRE(seen.ok());
    FakeMapper mapper(kiosk.trace);
    Result<HeldVolume> held = hold(mapper, "kiosk", *seen, seen->log().geometry(), false);
    REQUIRE(held.ok());
    const Result<void> active = activate(*held->mapping, held->volume);
    REQUIRE_FALSE(active.ok());
    CHECK(active.error().kind == Failure::refused);
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("a boot writes a bad superblock copy anew before the volume goes live") {
    ProvisionedKiosk kiosk;
    const std::string log = read_file(kiosk.log());
    const std::size_t copy = GENERATE(std::size_t{0}, std::size_t{1});
    overwrite(kiosk.log(), copy == 0 ? 0 : log.rfind("WRITELOG"), std::string(512, 'x'));
    bool whole_when_live = false;
    kiosk.trace.at_activation = [&] { whole_when_live = read_file(kiosk.log()) == log; };
    REQUIRE(kiosk.boot().ok());
    CHECK(whole_when_live);
}

TEST_CASE("a restore that was cut off before its last record needs no network") {
    ProvisionedKiosk kiosk;
    kiosk.set_state(format::VolumeState::restoring);
    kiosk.options.no_network = true;
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::restored);
    CHECK(report->restore.requests == 0);
    CHECK(kiosk.trace.activated == 1);
}

TEST_CASE("regild=off skips the restore only where the configuration allows it") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.options.skip_restore = true;
    SECTION("allowed: the marks stay for the next boot") {
        kiosk.configuration.allow_off = true;
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::skipped);
        CHECK(kiosk.trace.activated == 1);
        CHECK(kiosk.marked() == Blocks(1));
        CHECK(kiosk.observer.lines.find("WITHOUT restoring") != std::string::npos);
    }
    SECTION("not allowed: it is restored, and said") {
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        CHECK(report->outcome == BootOutcome::restored);
        CHECK(kiosk.observer.lines.find("IGNORED") != std::string::npos);
    }
}

TEST_CASE("a disk that holds something else is refused unless it is adopted") {
    Kiosk kiosk;
    overwrite(kiosk.data(), 20, "somebody's data");
    const std::string before = read_file(kiosk.data());
    SECTION("refused, nothing written, no request made") {
        Result<BootReport> report = kiosk.boot();
        REQUIRE_FALSE(report.ok());
        CHECK(report.error().kind == Failure::refused);
        CHECK(read_file(kiosk.data()) == before);
        CHECK(kiosk.fetchers == 0);
    }
    SECTION("adopted: blocks that are right already are not fetched") {
        overwrite(kiosk.data(), 3 * block_bytes, golden_image().substr(3 * block_bytes, 2 * block_bytes));
        kiosk.configuration.adopt = true;
        Result<BootReport> report = kiosk.boot();
        REQUIRE(report.ok());
        // Block 3 with its letter, and all zero blocks but none of the others.
        CHECK(report->restore.already_right == Blocks(1 + image_blocks / 5));
        CHECK(kiosk.is_golden());
    }
}

TEST_CASE("a provisioning whose format was cut off goes on without being adopted") {
    ProvisionedKiosk kiosk;
    write_file(kiosk.data(), std::string((image_blocks + 3) * block_bytes, '\0'));
    const std::string log = read_file(kiosk.log());
    // The bitmap is there, both superblocks are not yet.
    const std::size_t second = log.rfind("WRITELOG");
    REQUIRE(second != 0);
    overwrite(kiosk.log(), 8, std::string(504, '\0'));
    overwrite(kiosk.log(), second, std::string(512, '\0'));
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(kiosk.is_golden());
}

TEST_CASE("a log of another disk is refused and keeps its marks") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    std::filesystem::resize_file(kiosk.data(), (image_blocks + 5) * block_bytes);
    const std::string before = read_file(kiosk.data());
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(read_file(kiosk.data()) == before);
    CHECK(kiosk.marked() == Blocks(1));
}

TEST_CASE("a disk that is too small is refused before anything is written") {
    Kiosk kiosk;
    std::filesystem::resize_file(kiosk.data(), (image_blocks - 1) * block_bytes);
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(report.error().message.find("too small") != std::string::npos);
    CHECK(kiosk.trace.held == 0);
}

TEST_CASE("marks that appear between the first look and the hold are not overlooked") {
    ProvisionedKiosk kiosk;
    kiosk.trace.at_hold = [&] { kiosk.dirty(9); };
    Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::refused);
    CHECK(kiosk.trace.activated == 0);
}

TEST_CASE("a missing device is an error after its timeout and not a guess") {
    Kiosk kiosk;
    kiosk.configuration.log = kiosk.directory / "nothing";
    SECTION("a path") {
        kiosk.configuration.data = kiosk.directory / "nothing";
    }
    SECTION("a label: the error says which partition needs it, and how it gets it") {
        kiosk.configuration.data = "PARTLABEL=no-such-label";
    }
    const Result<BootReport> report = kiosk.boot();
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::disk);
    const bool advice =
        report.error().message.find(
            "sfdisk --part-label /dev/DISK N 'no-such-label' && sfdisk --part-type /dev/DISK N "
            "52474c44-6461-7461-8b1e-6f0c7d2a9e11") != std::string::npos;
    CHECK(advice == kiosk.configuration.data.starts_with("PARTLABEL="));
}

TEST_CASE("an interrupted provisioning goes on with the version that it began with") {
    ProvisionedKiosk kiosk;
    kiosk.dirty(7);
    kiosk.set_state(format::VolumeState::provisioning);
    write_file(kiosk.directory / "store/kiosk/stable.json", "the channel is not asked");
    Result<BootReport> report = kiosk.boot();
    REQUIRE(report.ok());
    CHECK(report->outcome == BootOutcome::provisioned);
    CHECK(report->version == 1);
    CHECK(kiosk.is_golden());
}

}  // namespace regild::boot
