// SPDX-License-Identifier: GPL-2.0-or-later
// What publish finds out about the file system of an image, and what it advises. The file system begins as
// tests/data/ext4-small.bin does, the rest is written here.
#include "publish/file_system.hpp"

#include <catch2/catch.hpp>

#include "files.hpp"
#include "format_golden.hpp"
#include "publish/advice.hpp"
#include "temporary_directory.hpp"

namespace regild::publish {
namespace {

namespace fs = std::filesystem;

class Image {
  public:
    Image() {
        test::write_file(path, test::golden_text("ext4-small.bin"));
        fs::resize_file(path, MiB(60).count());
    }
    // Fills a block of the file system.
    void fill(std::size_t block) { test::overwrite(path, block * 1024, std::string(1024, 'x')); }
    // What a survey says that is shown each block of the image with a frame as long as its number.
    FileSystemReport survey(std::uint64_t block_bytes = 65536) {
        const Result<ImageFile> image = ImageFile::open(path);
        REQUIRE(image.ok());
        const BlockSize block_size = *BlockSize::from_bytes(block_bytes);
        Result<std::optional<FileSystemSurvey>> survey = FileSystemSurvey::open(*image, block_size);
        REQUIRE(survey.ok());
        REQUIRE(*survey);
        ByteVector bytes(block_bytes);
        for (std::uint32_t i = 0; i < image->size().count() / block_bytes; i++) {
            REQUIRE(image->read(Bytes(i * block_bytes), bytes).ok());
            const std::uint32_t length = all_zero(bytes) ? 0 : i;
            const ImageChunk chunk{{BlockIndex(i), Blocks(1)}, false, bytes, {}, {}, std::span(&length, 1)};
            REQUIRE((*survey)->add(chunk).ok());
        }
        return (*survey)->report();
    }

    test::TemporaryDirectory directory;
    const fs::path path = directory / "golden.img";
};

constexpr std::size_t journal_block = 16385 + 100;
constexpr std::size_t free_block = 4000;          // of group 0, whose bitmap is written
constexpr std::size_t free_block_behind = 30000;  // of group 3, whose bitmap is not
constexpr std::size_t descriptor_copy = 24578;    // in group 3

}  // namespace

TEST_CASE("free space and journal that are not zero are counted, and what a restore fetches for them") {
    Image image;
    const FileSystemReport before = image.survey();
    CHECK(before.free == Bytes(53464 * 1024));
    CHECK(before.free_not_zero == Bytes(0));
    CHECK(before.free_frames == Bytes(0));
    CHECK(before.journal == MiB(4));
    CHECK(before.journal_not_zero == Bytes(0));
    CHECK(before.journal_frames == Bytes(0));
    CHECK(before.journal_superblock == Bytes(1024));
    CHECK(before.unfinished_tables == Bytes(8 * 480 * 1024));
    CHECK_FALSE(before.needs_recovery);

    image.fill(0);                // the boot block is neither
    image.fill(descriptor_copy);  // in use, but there is free space beside it
    image.fill(free_block);
    image.fill(free_block_behind);
    image.fill(journal_block);
    SECTION("in blocks that are larger than those of the file system") {
        const FileSystemReport after = image.survey();
        CHECK(after.free_not_zero == Bytes(2 * 1024));
        CHECK(after.free_frames == Bytes(descriptor_copy / 64 + free_block / 64 + free_block_behind / 64));
        CHECK(after.journal_not_zero == Bytes(1024));
        CHECK(after.journal_frames == Bytes(journal_block / 64));
    }
    SECTION("in other blocks") {
        const FileSystemReport after = image.survey(4096);
        CHECK(after.free_not_zero == Bytes(2 * 1024));
        CHECK(after.free_frames == Bytes(descriptor_copy / 4 + free_block / 4 + free_block_behind / 4));
        CHECK(after.journal_not_zero == Bytes(1024));
        CHECK(after.journal_frames == Bytes(journal_block / 4));
    }
    SECTION("a frame with both is the journal's") {
        image.fill(16384);  // free, right before the journal
        image.fill(16386);
        const FileSystemReport after = image.survey();
        CHECK(after.free_not_zero == Bytes(3 * 1024));
        CHECK(after.journal_frames == Bytes(16384 / 64 + journal_block / 64));
        CHECK(after.free_frames == Bytes(descriptor_copy / 64 + free_block / 64 + free_block_behind / 64));
    }
}

TEST_CASE("a journal of many pieces has them in nodes below its root") {
    Image image;
    // One entry: block 5000, which holds one extent of 7 blocks from 40000 on.
    const std::string root(
        "\x0a\xf3\1\0\4\0\1\0\0\0\0\0"
        "\0\0\0\0\x88\x13\0\0\0\0\0\0",
        24);
    const std::string leaf(
        "\x0a\xf3\1\0\4\0\0\0\0\0\0\0"
        "\0\0\0\0\7\0\0\0\x40\x9c\0\0",
        24);
    test::overwrite(image.path, 1024 + 0x10c, root);
    SECTION("which are followed") {
        test::overwrite(image.path, 5000 * 1024, leaf);
        image.fill(40006);
        image.fill(40007);
        const FileSystemReport report = image.survey();
        CHECK(report.journal == Bytes(7 * 1024));
        CHECK(report.journal_not_zero == Bytes(1024));
        CHECK(report.free_not_zero == Bytes(2 * 1024));  // block 5000 is in no file
    }
    SECTION("but no further") {
        test::overwrite(image.path, 5000 * 1024, root);
        CHECK(image.survey().journal == Bytes(0));
    }
    SECTION("unless they are none") {
        CHECK(image.survey().journal == Bytes(0));
    }
}

TEST_CASE("a group whose descriptor leads nowhere has no free space that is known") {
    Image image;
    image.fill(free_block);
    test::overwrite(image.path, 2048, std::string(4, '\xff'));       // group 0: the block of its bitmap
    test::overwrite(image.path, 2048 + 32, std::string(4, '\xff'));  // and the upper half
    CHECK(image.survey().free_not_zero == Bytes(0));
}

TEST_CASE("an image without such a file system is not looked at") {
    test::TemporaryDirectory directory;
    const fs::path path = directory / "golden.img";
    test::write_file(path, std::string(GENERATE(512, 1536, 65536), 'x'));
    const Result<ImageFile> image = ImageFile::open(path);
    REQUIRE(image.ok());
    const auto survey = FileSystemSurvey::open(*image, *BlockSize::from_bytes(65536));
    REQUIRE(survey.ok());
    CHECK_FALSE(*survey);
}

TEST_CASE("advice is given where it applies, with the commands in their order") {
    FileSystemReport report;
    report.journal = MiB(64);
    report.journal_not_zero = KiB(4);
    report.journal_superblock = KiB(4);
    const auto commands = [&](const fs::path& image) {
        std::vector<std::string> lines;
        for (const Advice& advice : advice_for(report, image))
            lines.push_back(advice.command);
        return lines;
    };
    CHECK(commands("golden.img").empty());
    report.free_not_zero = KiB(1);
    CHECK(commands("golden.img") == std::vector<std::string>{"e2fsck -f -p -E discard golden.img"});
    report.unfinished_tables = MiB(1);
    CHECK(commands("golden.img") == std::vector<std::string>{"e2fsck -f -p -E discard golden.img"});
    report.free_not_zero = Bytes(0);
    CHECK(commands("golden.img") == std::vector<std::string>{"e2fsck -f -p -E discard golden.img"});
    report.journal_not_zero = KiB(8);
    report.needs_recovery = true;
    CHECK(commands("golden.img") ==
          std::vector<std::string>{"e2fsck -f -p golden.img",
                                   "tune2fs -O ^has_journal golden.img && tune2fs -J size=64 golden.img",
                                   "e2fsck -f -p -E discard golden.img"});
}

TEST_CASE("a path in an advice is one word of a shell") {
    FileSystemReport report;
    report.free_not_zero = KiB(1);
    const auto command = [&](const fs::path& image) { return advice_for(report, image).at(0).command; };
    CHECK(command("/a/B-1_2.img") == "e2fsck -f -p -E discard /a/B-1_2.img");
    CHECK(command("a b.img") == "e2fsck -f -p -E discard 'a b.img'");
    CHECK(command("it's;$(x)") == "e2fsck -f -p -E discard 'it'\\''s;$(x)'");
    CHECK(command("-y.img") == "e2fsck -f -p -E discard './-y.img'");
}

}  // namespace regild::publish
