// SPDX-License-Identifier: GPL-2.0-or-later
// Publishing into a store of plain files; veritysetup is the judge of the hash tree.
#include "publish/publish.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>

#include "codec/zstd.hpp"
#include "files.hpp"
#include "format/frame_index.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;

// Calls `act` at the first progress.
class AtFirstProgress final : public test::SilentObserver {
  public:
    explicit AtFirstProgress(std::function<void()> act) : act_(std::move(act)) {}
    void progress(const char*, Bytes, Bytes) override {
        if (act_) std::exchange(act_, nullptr)();
    }

  private:
    std::function<void()> act_;
};

// Bytes that repeat nowhere near, with a stretch of zeros in the third quarter.
std::string patterned_image(std::size_t size) {
    std::string image(size, '\0');
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < size; i++) {
        state = state * 1664525 + 1013904223;
        if (i < size / 2 || i >= size / 4 * 3) image[i] = static_cast<char>(state >> 24);
    }
    return image;
}

class Publisher {
  public:
    PublishRequest request(std::uint64_t version = 1, std::uint64_t block_bytes = 65536) {
        return {.image_file = directory / "golden.img",
                .store = directory / "store",
                .image = "kiosk",
                .version = version,
                .block_size = *BlockSize::from_bytes(block_bytes),
                .channel = {}};
    }
    Result<PublishReport> publish(const PublishRequest& what) {
        return publish::publish(what, observer, stop);
    }
    void set_image(const std::string& bytes) { write_file(directory / "golden.img", bytes); }
    fs::path version_path(std::uint64_t version = 1) {
        return directory / "store" / "kiosk" / std::to_string(version);
    }
    std::vector<std::string> names_in_image_folder() {
        std::vector<std::string> names;
        for (const fs::directory_entry& entry : fs::directory_iterator(directory / "store" / "kiosk"))
            names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }

    test::TemporaryDirectory directory;
    test::SilentObserver observer;
    StopFlag stop;
};

bool run(const std::string& command) {
    return std::system(command.c_str()) == 0;
}

bool have_veritysetup() {
    setenv("PATH", (std::string(getenv("PATH")) + ":/usr/sbin:/sbin").c_str(), 1);
    if (run("veritysetup --version > /dev/null 2>&1")) return true;
    const char* ci = getenv("CI");
    const std::string missing = "veritysetup is missing: install cryptsetup-bin";
    if (ci && std::string(ci) == "true") FAIL(missing);
    WARN(missing << "; not compared");
    return false;
}

}  // namespace

TEST_CASE("the hash tree is what veritysetup writes, and veritysetup verifies it") {
    if (!have_veritysetup()) return;
    struct Case {
        std::size_t size;
        std::uint64_t block_bytes;
    };
    // No level, one, one that is full, two, two with a full lower one, and three levels.
    const auto [size, block_bytes] =
        GENERATE(Case{512, 4096}, Case{4096, 4096}, Case{4608, 4096}, Case{128 * 4096, 4096},
                 Case{128 * 4096 + 512, 4096}, Case{129 * 4096, 4096}, Case{(128 * 128 + 1) * 4096, 4096},
                 Case{65536, 65536}, Case{5 * 65536 - 512, 65536}, Case{128 * 65536, 65536},
                 Case{3 * 524288 + 1024, 524288});
    CAPTURE(size, block_bytes);

    Publisher publisher;
    publisher.set_image(patterned_image(size));
    PublishRequest request = publisher.request(1, block_bytes);
    request.raw = true;
    const Result<PublishReport> report = publisher.publish(request);
    REQUIRE(report.ok());
    const format::Manifest& manifest = report->manifest;
    const std::string data = publisher.version_path() / "image.raw";
    const std::string tree = publisher.version_path() / "image.verity";
    const std::string reference = publisher.directory / "reference.verity";
    const std::string log = publisher.directory / "veritysetup.log";
    REQUIRE(run("veritysetup format --hash-block-size 4096 --data-block-size " + std::to_string(block_bytes) +
                " --salt " + to_hex(manifest.salt) + " --uuid " + manifest.tree_uuid.text() + " " + data +
                " " + reference + " > " + log + " 2>&1"));
    CHECK(read_file(reference) == read_file(tree));
    CHECK(read_file(log).find(to_hex(manifest.root_hash)) != std::string::npos);
    CHECK(run("veritysetup verify " + data + " " + tree + " " + to_hex(manifest.root_hash) + " >> " + log +
              " 2>&1"));
}

TEST_CASE("image.raw is the image padded with zeros to whole blocks, with holes for zero blocks") {
    Publisher publisher;
    constexpr std::size_t block_bytes = 65536;
    const std::string image = patterned_image(40 * block_bytes) + std::string(512, 'x');
    publisher.set_image(image);
    PublishRequest request = publisher.request();
    request.raw = true;
    const Result<PublishReport> report = publisher.publish(request);
    REQUIRE(report.ok());
    CHECK(report->manifest.size == Bytes(image.size()));
    CHECK(report->manifest.blocks() == Blocks(41));
    CHECK(report->zero_blocks == Blocks(10));
    const fs::path raw = publisher.version_path() / "image.raw";
    CHECK(read_file(raw) == image + std::string(block_bytes - 512, '\0'));
    struct stat status {};
    REQUIRE(stat(raw.c_str(), &status) == 0);
    CHECK(static_cast<std::size_t>(status.st_blocks) * 512 < image.size() - 8 * block_bytes);
}

namespace {

// What the frames that the index names decompress to, zeros where it names none.
std::string decompressed(const fs::path& version, Blocks blocks, std::size_t block_bytes) {
    const std::string frames = read_file(version / "image.zst");
    const std::string index = read_file(version / "image.index");
    REQUIRE(index.size() == format::index_file_size(blocks).count());
    codec::Decompressor decompressor;
    std::string image(blocks.count() * block_bytes, '\0');
    Bytes expected_offset;
    for (std::uint64_t n = 0; n < blocks.count(); ++n) {
        const auto page = format::FrameIndexPage::parse(
            as_bytes(index).subspan(n / 32 * format::index_page_size).first<format::index_page_size>());
        REQUIRE(page);
        const format::Frame frame = page->frame(n % 32);
        REQUIRE(frame.offset == expected_offset);
        expected_offset = frame.end();
        const ByteSpan block = std::as_writable_bytes(std::span(image)).subspan(n * block_bytes, block_bytes);
        if (frame.length == Bytes(0)) continue;
        // Of zeros in a row nobody reads the frame: it is longer than a block.
        if (!decompressor.decompress(as_bytes(frames).subspan(frame.offset.count(), frame.length.count()),
                                     block))
            std::ranges::fill(block, std::byte{0});
    }
    REQUIRE(expected_offset == Bytes(frames.size()));
    return image;
}

}  // namespace

TEST_CASE("each block that is not zero has a frame of its own, where the index says") {
    // Pages that are not full, zeros at both ends, across pages, alone and many.
    const std::size_t block_bytes = GENERATE(4096, 65536);
    const std::size_t blocks = GENERATE(1, 31, 32, 33, 100);
    std::string image = patterned_image(blocks * block_bytes);
    if (blocks == 100) {
        image.replace(0, 3 * block_bytes, std::string(3 * block_bytes, '\0'));
        image.replace(30 * block_bytes, 40 * block_bytes, std::string(40 * block_bytes, '\0'));
        image.replace(99 * block_bytes, block_bytes, std::string(block_bytes, '\0'));
    }
    Publisher publisher;
    publisher.set_image(image);
    const Result<PublishReport> report = publisher.publish(publisher.request(1, block_bytes));
    REQUIRE(report.ok());
    CHECK(decompressed(publisher.version_path(), Blocks(blocks), block_bytes) == image);
    CHECK(fs::file_size(publisher.version_path() / "image.zst") == report->compressed.count());
    CHECK_FALSE(fs::exists(publisher.version_path() / "image.raw"));
}

TEST_CASE("holes of the image and zeros in it give the same version") {
    const std::size_t size = 300 * 4096;
    Publisher zeros;
    std::string image(size, '\0');
    image.replace(100 * 4096 + 5000, 3, "one");
    image.replace(size - 3, 3, "end");
    zeros.set_image(image);
    Publisher holes;
    holes.set_image("");
    fs::resize_file(holes.directory / "golden.img", size);
    std::fstream file(holes.directory / "golden.img", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(100 * 4096 + 5000).write("one", 3);
    file.seekp(static_cast<std::streamoff>(size - 3)).write("end", 3);
    file.close();

    const Result<PublishReport> from_zeros = zeros.publish(zeros.request(1, 4096));
    const Result<PublishReport> from_holes = holes.publish(holes.request(1, 4096));
    REQUIRE(from_zeros.ok());
    REQUIRE(from_holes.ok());
    CHECK(from_zeros->zero_blocks == Blocks(298));
    CHECK(from_holes->zero_blocks == Blocks(298));
    for (const char* name : {"manifest.json", "image.zst", "image.index", "image.verity"})
        CHECK(read_file(zeros.version_path() / name) == read_file(holes.version_path() / name));
}

TEST_CASE("an image that is one large hole is published without reading it") {
    Publisher publisher;
    publisher.set_image("");
    fs::resize_file(publisher.directory / "golden.img", std::uintmax_t{1} << 40);
    const Result<PublishReport> report = publisher.publish(publisher.request(1, 524288));
    REQUIRE(report.ok());
    CHECK(report->zero_blocks == Blocks(std::uint64_t{1} << 21));
    CHECK(report->compressed < MiB(40));
    CHECK(fs::file_size(publisher.version_path() / "image.zst") == report->compressed.count());
}

TEST_CASE("salt and uuid follow from the names alone") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    const Result<PublishReport> report = publisher.publish(publisher.request(7));
    REQUIRE(report.ok());
    // printf 'regild salt kiosk' | sha256sum; printf 'regild tree kiosk 7' | sha256sum, version and variant
    // set
    CHECK(to_hex(report->manifest.salt) ==
          "a0902c4f31919c5e02e0c5a77a21462a0987ecccc7148275fa2eae1070d775bb");
    CHECK(report->manifest.tree_uuid.text() == "68f258f8-677d-8399-b84a-09bbfb5c4b5d");
}

TEST_CASE("an image that no kiosk can mount is published with a warning") {
    class Events final : public Observer {
      public:
        void event(const std::string& line) override { lines += line + "\n"; }
        void progress(const char*, Bytes, Bytes) override {}
        std::string lines;
    } events;
    Publisher publisher;
    std::string image(1 << 20, '\0');
    std::string warning;
    SECTION("a whole disk") {
        image.replace(510, 2, "\x55\xaa");
        image.replace(446, 16, std::string("\0\0\2\0\x83\0\0\0\1\0\0\0\xff\1\0\0", 16));
        warning = "is a whole disk with a dos partition table";
    }
    SECTION("no file system") {
        warning = "holds no file system";
    }
    SECTION("something that libblkid knows") {
        image.replace(4096 - 10, 10, "SWAPSPACE2");
        image.replace(1024, 8, std::string("\1\0\0\0\377\0\0\0", 8));
    }
    publisher.set_image(image);
    REQUIRE(publish(publisher.request(), events, publisher.stop).ok());
    INFO(events.lines);
    CHECK(events.lines.empty() == warning.empty());
    CHECK(events.lines.find(warning) != std::string::npos);
}

TEST_CASE("the manifest in the store is the one that is reported") {
    Publisher publisher;
    publisher.set_image(patterned_image(200000 / 512 * 512));
    const Result<PublishReport> report = publisher.publish(publisher.request());
    REQUIRE(report.ok());
    CHECK(report->manifest_path == publisher.version_path() / "manifest.json");
    const Result<format::Manifest> manifest = format::parse_manifest(read_file(report->manifest_path));
    REQUIRE(manifest.ok());
    CHECK(*manifest == report->manifest);
}

TEST_CASE("a web server can read what is published, whatever the umask") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    PublishRequest request = publisher.request();
    request.channel = "stable";
    const mode_t before = umask(077);
    const Result<PublishReport> report = publisher.publish(request);
    umask(before);
    REQUIRE(report.ok());
    const auto mode_of = [](const fs::path& path) {
        return static_cast<int>(fs::status(path).permissions());
    };
    CHECK(mode_of(publisher.directory / "store") == 0755);
    CHECK(mode_of(publisher.directory / "store" / "kiosk") == 0755);
    CHECK(mode_of(publisher.version_path()) == 0755);
    CHECK(mode_of(report->channel_path) == 0644);
    for (const char* name : {"manifest.json", "image.zst", "image.index", "image.verity"})
        CHECK(mode_of(publisher.version_path() / name) == 0644);
}

TEST_CASE("a version is never overwritten") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    REQUIRE(publisher.publish(publisher.request()).ok());
    const std::string before = read_file(publisher.version_path() / "image.zst");
    publisher.set_image(patterned_image(16384));
    const Result<PublishReport> again = publisher.publish(publisher.request());
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().kind == Failure::refused);
    CHECK(read_file(publisher.version_path() / "image.zst") == before);
    CHECK(publisher.names_in_image_folder() == std::vector<std::string>{"1"});
}

TEST_CASE("an interrupted publish leaves nothing behind") {
    Publisher publisher;
    publisher.set_image(patterned_image(8 << 20));
    AtFirstProgress interrupt([&] { publisher.stop.request(); });
    const Result<PublishReport> report = publish(publisher.request(), interrupt, publisher.stop);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().kind == Failure::interrupted);
    CHECK(publisher.names_in_image_folder().empty());
}

TEST_CASE("what a killed publisher left is removed by the next one") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    fs::create_directories(publisher.directory / "store" / "kiosk" / ".1.partial-abcdef");
    write_file(publisher.directory / "store" / "kiosk" / ".1.partial-abcdef" / "image.raw", "half");
    REQUIRE(publisher.publish(publisher.request()).ok());
    CHECK(publisher.names_in_image_folder() == std::vector<std::string>{"1"});
}

TEST_CASE("a second publisher of an image is refused and removes nothing of the first") {
    Publisher publisher;
    publisher.set_image(patterned_image(4 << 20));
    Result<PublishReport> second = Error{Failure::failed, "did not run"};
    AtFirstProgress meanwhile([&] { second = publisher.publish(publisher.request(2)); });
    const Result<PublishReport> first = publish(publisher.request(1), meanwhile, publisher.stop);
    CHECK(first.ok());
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().kind == Failure::refused);
    CHECK(publisher.names_in_image_folder() == std::vector<std::string>{"1"});
}

TEST_CASE("an image that changes while it is read is not published") {
    Publisher publisher;
    publisher.set_image(patterned_image(4 << 20));
    AtFirstProgress meanwhile([&] {
        std::ofstream(publisher.directory / "golden.img", std::ios::app | std::ios::binary)
            << std::string(512, 'x');
    });
    const Result<PublishReport> report = publish(publisher.request(), meanwhile, publisher.stop);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().message.find("changed while it was read") != std::string::npos);
    CHECK(publisher.names_in_image_folder().empty());
}

TEST_CASE("a channel follows its image's versions, but never back") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    PublishRequest request = publisher.request(5);
    request.channel = "stable";
    const Result<PublishReport> first = publisher.publish(request);
    REQUIRE(first.ok());
    CHECK(first->channel_path == publisher.directory / "store" / "kiosk" / "stable.json");
    const auto version_of_channel = [&] {
        const Result<format::Channel> channel = format::parse_channel(read_file(first->channel_path));
        REQUIRE(channel.ok());
        CHECK(channel->image == "kiosk");
        return channel->version;
    };
    CHECK(version_of_channel() == 5);

    SECTION("a later version moves it") {
        request.version = 6;
        REQUIRE(publisher.publish(request).ok());
        CHECK(version_of_channel() == 6);
    }
    SECTION("an earlier version is refused and not published") {
        request.version = 4;
        const Result<PublishReport> earlier = publisher.publish(request);
        REQUIRE_FALSE(earlier.ok());
        CHECK(earlier.error().kind == Failure::refused);
        CHECK(version_of_channel() == 5);
        CHECK_FALSE(fs::exists(publisher.version_path(4)));
    }
    SECTION("without a channel an earlier version may still be published") {
        REQUIRE(publisher.publish(publisher.request(4)).ok());
        CHECK(version_of_channel() == 5);
    }
    SECTION("a damaged channel is an error, not version 0") {
        write_file(first->channel_path, "{");
        request.version = 6;
        CHECK_FALSE(publisher.publish(request).ok());
        CHECK_FALSE(fs::exists(publisher.version_path(6)));
    }
    SECTION("the channel of another image is refused") {
        write_file(first->channel_path, format::serialize_channel({"other", 1, "stable", 1}));
        request.version = 6;
        CHECK_FALSE(publisher.publish(request).ok());
        CHECK_FALSE(fs::exists(publisher.version_path(6)));
    }
}

TEST_CASE("a wrong name, version or image is an error that says so and leaves no store") {
    Publisher publisher;
    publisher.set_image(patterned_image(8192));
    PublishRequest request = publisher.request();
    std::string says;
    SECTION("an image's name") {
        request.image = "../kiosk";
        says = "'../kiosk' cannot be the name of an image";
    }
    SECTION("a channel's name") {
        request.channel = "a/b";
        says = "'a/b' cannot be the name of a channel";
    }
    SECTION("a channel where a manifest would be looked for") {
        request.channel = "manifest";
        says = "'manifest' cannot be the name of a channel";
    }
    SECTION("version 0") {
        request.version = 0;
        says = "from 1 to 9007199254740991";
    }
    SECTION("a version that JSON cannot hold") {
        request.version = std::uint64_t{1} << 53;
        says = "from 1 to 9007199254740991";
    }
    SECTION("no image") {
        request.image_file = publisher.directory / "missing.img";
        says = "missing.img";
    }
    SECTION("a folder as image") {
        request.image_file = publisher.directory.path();
        says = "neither a file nor a block device";
    }
    SECTION("an empty image") {
        publisher.set_image("");
        says = "is empty";
    }
    SECTION("half a sector") {
        publisher.set_image(patterned_image(1000));
        says = "not a multiple of 512";
    }
    SECTION("too many blocks") {
        request = publisher.request(1, 4096);
        fs::resize_file(request.image_file, (std::uintmax_t{1} << 43) + 512);
        says = "take a larger block size";
    }
    const Result<PublishReport> report = publisher.publish(request);
    REQUIRE_FALSE(report.ok());
    CHECK(report.error().message.find(says) != std::string::npos);
    CHECK_FALSE(fs::exists(publisher.directory / "store"));
}

}  // namespace regild::publish
