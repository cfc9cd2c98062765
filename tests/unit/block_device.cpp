// SPDX-License-Identifier: GPL-2.0-or-later
#include "block/device.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "block/identity.hpp"

using namespace regild;
using namespace regild::block;
namespace fs = std::filesystem;

namespace {

// A directory of its own in the working directory (where O_DIRECT works, unlike a /tmp on tmpfs), removed at
// the end.
class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        std::string name = (fs::current_path() / "block-test-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { fs::remove_all(path_); }

    std::string file(const std::string& name, std::uint64_t size, char fill = 'x') const {
        const std::string path = path_ / name;
        std::ofstream(path) << std::string(size, fill);
        return path;
    }
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
    }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

std::string content(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

AlignedBuffer filled(std::size_t size, int byte) {
    AlignedBuffer buffer(size);
    std::memset(buffer.data(), byte, size);
    return buffer;
}

}  // namespace

TEST_CASE("an aligned buffer is aligned to 4096 bytes and moves") {
    AlignedBuffer buffer(512);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096 == 0);
    std::byte* const data = buffer.data();
    AlignedBuffer moved = std::move(buffer);
    CHECK(moved.data() == data);
    CHECK(moved.size() == 512);
    buffer = std::move(moved);
    CHECK(buffer.data() == data);
    CHECK(AlignedBuffer(0).size() == 0);
}

TEST_CASE("a hole that is zeroed stays a hole, and what is no hole is zero then") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 0);
    std::filesystem::resize_file(path, 64 << 20);
    const auto device = Device::open(path, Access::exclusive);
    REQUIRE(device.ok());
    Device& disk = **device;
    for (const Bytes at : {MiB(1), MiB(5), MiB(63)})
        REQUIRE(disk.write(at, filled(8192, 'a').span()).ok());
    REQUIRE(disk.zero(MiB(1) + KiB(4), MiB(62)).ok());
    REQUIRE(disk.flush().ok());
    struct stat now {};
    REQUIRE(stat(path.c_str(), &now) == 0);
    CHECK(now.st_blocks * 512 < 1 << 20);
    std::string expected(64 << 20, '\0');
    expected.replace(1 << 20, 4096, std::string(4096, 'a'));
    expected.replace((63 << 20) + 4096, 4096, std::string(4096, 'a'));
    CHECK(content(path) == expected);
}

TEST_CASE("a file is read, written, zeroed and flushed in place") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 64 * 1024);
    {
        const auto device = Device::open(path, Access::exclusive);
        REQUIRE(device.ok());
        Device& disk = **device;
        CHECK(disk.size() == KiB(64));
        CHECK(disk.alignment() == Bytes(512));
        CHECK_FALSE(disk.is_block_device());

        REQUIRE(disk.write(KiB(4), filled(8192, 'a').span()).ok());
        REQUIRE(disk.zero(KiB(16), KiB(8)).ok());
        REQUIRE(disk.flush().ok());
        AlignedBuffer buffer(16384);
        REQUIRE(disk.read(KiB(0), buffer.span()).ok());
        CHECK(as_text(buffer.span()) ==
              std::string(4096, 'x') + std::string(8192, 'a') + std::string(4096, 'x'));
    }
    CHECK(content(path) == std::string(4096, 'x') + std::string(8192, 'a') + std::string(4096, 'x') +
                               std::string(8192, '\0') + std::string(40960, 'x'));
}

TEST_CASE("sectors of a file are reached one by one, also where direct I/O needs more") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 8192 + 512 + 100);
    {
        const auto device = Device::open(path, Access::exclusive);
        REQUIRE(device.ok());
        Device& disk = **device;
        CHECK(disk.size() == Bytes(8192 + 512));  // the odd 100 bytes are no sector
        REQUIRE(disk.write(Bytes(0), filled(8192, 'a').span()).ok());
        REQUIRE(disk.write(Bytes(512), filled(512, 'b').span()).ok());
        REQUIRE(disk.write(Bytes(8192), filled(512, 'c').span()).ok());
        AlignedBuffer all(8704);
        REQUIRE(disk.read(Bytes(0), all.span()).ok());
        REQUIRE(disk.read(Bytes(0), all.span(0, 4096)).ok());
        CHECK(as_text(all.span(0, 1536)) ==
              std::string(512, 'a') + std::string(512, 'b') + std::string(512, 'a'));
        CHECK(as_text(all.span(8192, 512)) == std::string(512, 'c'));
    }
    CHECK(content(path).substr(8704) == std::string(100, 'x'));
    CHECK(content(path).size() == 8804);
}

TEST_CASE("a range that leaves the device or splits a sector is an error") {
    const TemporaryDirectory directory;
    const auto device = Device::open(directory.file("disk", 8192), Access::exclusive);
    REQUIRE(device.ok());
    Device& disk = **device;
    AlignedBuffer buffer(8192);
    CHECK_FALSE(disk.read(Bytes(512), buffer.span()).ok());
    CHECK_FALSE(disk.write(KiB(8), buffer.span(0, 512)).ok());
    CHECK_FALSE(disk.zero(Bytes(UINT64_MAX - 511), Bytes(512)).ok());
    CHECK_FALSE(disk.zero(Bytes(0), Bytes(UINT64_MAX - 511)).ok());
    CHECK_FALSE(disk.read(Bytes(100), buffer.span(0, 512)).ok());
    CHECK_FALSE(disk.write(Bytes(0), buffer.span(0, 100)).ok());
    CHECK(disk.read(KiB(8), buffer.span(0, 0)).ok());
    CHECK(disk.zero(KiB(8), Bytes(0)).ok());
}

TEST_CASE("a file that shrank under us is a read error, not a loop") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 8192);
    const auto device = Device::open(path, Access::read);
    REQUIRE(device.ok());
    fs::resize_file(path, 4096);
    AlignedBuffer buffer(8192);
    CHECK_FALSE((*device)->read(Bytes(0), buffer.span()).ok());
}

TEST_CASE("a file that somebody holds is refused, but may be looked at") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 4096);
    {
        const auto first = Device::open(path, Access::exclusive);
        REQUIRE(first.ok());
        const auto second = Device::open(path, Access::exclusive);
        REQUIRE_FALSE(second.ok());
        CHECK(second.error().kind == Failure::busy);
        CHECK(second.error().message.find(path) != std::string::npos);
        CHECK(Device::open(path, Access::read).ok());
    }
    CHECK(Device::open(path, Access::exclusive).ok());
}

TEST_CASE("what is only looked at cannot be written") {
    const TemporaryDirectory directory;
    const auto device = Device::open(directory.file("disk", 4096), Access::read);
    REQUIRE(device.ok());
    CHECK_FALSE((*device)->write(Bytes(0), filled(4096, 'a').span()).ok());
    CHECK_FALSE((*device)->zero(Bytes(0), Bytes(4096)).ok());
}

TEST_CASE("a path that is neither a device nor a file is an error that names it") {
    const TemporaryDirectory directory;
    const std::string fifo = directory.path() / "fifo";
    REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
    for (const std::string& path :
         {directory.path().string(), fifo, (directory.path() / "absent").string()}) {
        const auto device = Device::open(path, Access::exclusive);
        REQUIRE_FALSE(device.ok());
        CHECK(device.error().message.find(path) != std::string::npos);
    }
}

TEST_CASE("several threads write different ranges at once") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 64 * 1024);
    {
        const auto device = Device::open(path, Access::exclusive);
        REQUIRE(device.ok());
        std::vector<std::thread> threads;
        std::array<bool, 4> ok{};
        for (unsigned i = 0; i < ok.size(); ++i)
            threads.emplace_back([&, i] {
                const char letter = static_cast<char>('a' + i);
                ok[i] = (*device)->write(KiB(16) + KiB(4 * i), filled(4096, letter).span()).ok();
            });
        for (std::thread& thread : threads)
            thread.join();
        for (const bool one : ok)
            CHECK(one);
    }
    CHECK(content(path).substr(16384, 16384) ==
          std::string(4096, 'a') + std::string(4096, 'b') + std::string(4096, 'c') + std::string(4096, 'd'));
}

TEST_CASE("a path resolves to itself if it exists") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk=1", 4096);
    CHECK(*resolve(path) == path);
    const auto absent = resolve(path + "2");
    REQUIRE_FALSE(absent.ok());
    CHECK(absent.error().message.find(path + "2") != std::string::npos);
}

TEST_CASE("a tag that no device has is an error that names it") {
    for (const char* tag :
         {"PARTLABEL=regild-test-no-such-label", "UUID=2b6ad6a8-aaaa-bbbb-cccc-4a8f6d1c0000"}) {
        const auto found = resolve(tag);
        REQUIRE_FALSE(found.ok());
        CHECK(found.error().kind == Failure::disk);
        CHECK(found.error().message.find(tag) != std::string::npos);
    }
    CHECK(resolve("LABEL=").error().kind == Failure::usage);
}

TEST_CASE("the content of a disk is told apart: blank, unknown data, signatures") {
    const TemporaryDirectory directory;
    const auto probe = [&](const std::string& path) {
        const auto device = Device::open(path, Access::read);
        REQUIRE(device.ok());
        const auto found = probe_content(**device);
        REQUIRE(found.ok());
        return *found;
    };
    const std::string path = directory.file("disk", 4 << 20, '\0');
    CHECK(probe(path).blank);

    const auto poke = [&](std::uint64_t offset, const std::string& bytes) {
        std::fstream stream(path, std::ios::in | std::ios::out);
        stream.seekp(static_cast<std::streamoff>(offset));
        stream << bytes;
    };
    poke((1 << 20) - 1, "x");
    CHECK_FALSE(probe(path).blank);
    CHECK(probe(path).description == "unknown data");

    poke(4096 - 10, "SWAPSPACE2");
    poke(1024, std::string("\1\0\0\0", 4) + std::string("\377\3\0\0", 4));
    CHECK_FALSE(probe(path).blank);
    CHECK(probe(path).description == "swap");

    poke(510, "\x55\xaa");
    poke(446, std::string("\0\0\2\0\x83\0\0\0\1\0\0\0\xff\1\0\0", 16));
    CHECK(probe(path).description == "swap and dos partition table");
}

TEST_CASE("data anywhere on a disk shows that it is not blank") {
    const TemporaryDirectory directory;
    const auto is_blank = [&](const std::string& path) {
        const auto device = Device::open(path, Access::read);
        REQUIRE(device.ok());
        const auto found = probe_content(**device);
        REQUIRE(found.ok());
        return found->blank;
    };
    // A hole of 1 TiB with one sector of data in it, and 16 MiB that are written but zero.
    const std::string sparse = directory.file("sparse", 0);
    fs::resize_file(sparse, std::uintmax_t{1} << 40);
    CHECK(is_blank(sparse));
    {
        std::fstream stream(sparse, std::ios::in | std::ios::out);
        stream.seekp(std::streamoff{777} << 20) << std::string(512, 'x');
    }
    CHECK_FALSE(is_blank(sparse));

    const std::string zeros = directory.file("zeros", 16 << 20, '\0');
    CHECK(is_blank(zeros));
    const auto write_at = [&](std::uint64_t offset) {
        std::fstream(zeros, std::ios::in | std::ios::out).seekp(static_cast<std::streamoff>(offset)) << "x";
    };
    const auto offset = GENERATE(as<std::uint64_t>{}, 0, 5 << 20, (16 << 20) - 1);
    write_at(offset);
    CHECK_FALSE(is_blank(zeros));
}

TEST_CASE("a disk on which a read fails is not blank, and the reason is told") {
    const TemporaryDirectory directory;
    const std::string path = directory.file("disk", 4 << 20, '\0');
    const auto device = Device::open(path, Access::read);
    REQUIRE(device.ok());
    fs::resize_file(path, 3 << 20);  // its last MiB cannot be read any more
    const auto found = probe_content(**device);
    REQUIRE(found.ok());
    CHECK_FALSE(found->blank);
    CHECK(found->description.find("cannot be read") != std::string::npos);
    CHECK(found->description.find("shrunk") != std::string::npos);
}

TEST_CASE("a file that takes another's place is another disk") {
    const TemporaryDirectory directory;
    const auto identity_of = [](const std::string& path) {
        const auto device = Device::open(path, Access::read);
        REQUIRE(device.ok());
        const auto identity = identify(**device);
        REQUIRE(identity.ok());
        CHECK(identity->is_proof());
        return *identity;
    };
    const std::string path = directory.file("disk", 8192);
    const DiskIdentity first = identity_of(path);
    CHECK(first.size == Sectors(16));
    CHECK(identity_of(path) == first);
    fs::rename(path, path + ".moved");
    CHECK(identity_of(path + ".moved") == first);
    fs::copy(path + ".moved", path);
    CHECK_FALSE(identity_of(path) == first);
}

TEST_CASE("a disk with neither PARTUUID nor WWID is not told from others") {
    CHECK_FALSE(DiskIdentity{"", "", Sectors(2048), Sectors(16)}.is_proof());
    CHECK(DiskIdentity{"p", "", Sectors(0), Sectors(16)}.is_proof());
    CHECK(DiskIdentity{"", "w", Sectors(0), Sectors(16)}.is_proof());
}

TEST_CASE("a partition's identity comes from itself and from its disk") {
    const TemporaryDirectory sys;
    sys.write("vda/size", "8388608\n");
    sys.write("vda/serial", "from-the-host\n");
    sys.write("vda/vda2/partition", "2\n");
    sys.write("vda/vda2/start", "2048\n");
    sys.write("vda/vda2/size", "4096\n");
    fs::create_directory_symlink(sys.path() / "vda/vda2", sys.path() / "254:2");
    CHECK(identity_from_sysfs(sys.path() / "254:2") ==
          DiskIdentity{"", "from-the-host", Sectors(2048), Sectors(4096)});
    CHECK(identity_from_sysfs(sys.path() / "vda") ==
          DiskIdentity{"", "from-the-host", Sectors(0), Sectors(8388608)});

    sys.write("dm-0/size", "16\n");
    sys.write("dm-0/dm/uuid", "LVM-0123\n");
    CHECK(identity_from_sysfs(sys.path() / "dm-0").wwid == "LVM-0123");

    sys.write("vda/device/serial", "  S3R1AL \n");
    CHECK(identity_from_sysfs(sys.path() / "254:2").wwid == "S3R1AL");
    sys.write("vda/wwid",
              "eui.0123\x01\xff"
              "45\n");
    CHECK(identity_from_sysfs(sys.path() / "254:2").wwid == "eui.0123  45");
    sys.write("vda/wwid", std::string(200, 'a') + "end\n");
    CHECK(identity_from_sysfs(sys.path() / "254:2").wwid == std::string(124, 'a') + "end");
}
