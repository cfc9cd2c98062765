// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/trial.hpp"

#include <catch2/catch.hpp>

#include "volume_fixture.hpp"

namespace regild::volume {
namespace {

format::ImageRecord record_of(std::uint64_t version) {
    format::ImageRecord record;
    record.state = format::VolumeState::golden;
    record.image_version = version;
    record.version_floor = version;
    record.manifest = "manifest " + std::to_string(version);
    record.signature = "signature " + std::to_string(version);
    return record;
}

store::Source source_of(std::uint64_t version) {
    static const test::GoldenImage image =
        test::make_golden_image(test::block_size_of(4096), Bytes(4096), [](std::uint64_t) { return false; });
    store::Source source = image.source();
    source.manifest.version = version;
    source.manifest_text = "manifest " + std::to_string(version);
    source.signature = "signature " + std::to_string(version);
    return source;
}

}  // namespace

TEST_CASE("a version that needs no confirmation has a way back until it is touched") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 0);
    CHECK(record.image_version == 2);
    CHECK(record.version_floor == 1);
    CHECK(record.before.manifest == "manifest 1");
    CHECK(record.before.signature == "signature 1");
    CHECK_FALSE(is_on_trial(record));
    CHECK_FALSE(is_trial_over(record));
    touch(record);
    CHECK(record.version_floor == 2);
    CHECK_FALSE(record.before);
    CHECK_FALSE(record.untouched);
}

TEST_CASE("the floor of a version on trial is that of the one before") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 3);
    touch(record);
    CHECK(is_on_trial(record));
    CHECK(record.trial_boots == 3);
    CHECK(record.version_floor == 1);
    put_back(record, source_of(1));
    CHECK(record.image_version == 1);
    CHECK(record.rejected_version == 2);
    CHECK_FALSE(is_on_trial(record));
    install(record, source_of(3), 3);
    CHECK(record.rejected_version == 0);
}

TEST_CASE("a failed trial is not confirmed by a restore by hand") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 1);
    touch(record);
    record.trial_boots = 0;
    REQUIRE(is_trial_over(record));
    touch(record);
    CHECK(is_trial_over(record));
}

TEST_CASE("the way back from the second version on trial is to the last that was confirmed") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 3);
    SECTION("without a cheap one once the first was written") {
        touch(record);
        install(record, source_of(3), 3);
        CHECK_FALSE(record.untouched);
    }
    SECTION("with a cheap one before that") {
        install(record, source_of(3), 3);
        CHECK(record.untouched);
    }
    CHECK(record.before.manifest == "manifest 1");
    CHECK(record.trial_boots == 3);
}

TEST_CASE("what takes the place of a version on trial and needs no confirmation ends the trial") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 3);
    touch(record);
    install(record, source_of(3), 0);
    CHECK_FALSE(record.before);
    CHECK(record.version_floor == 3);
}

TEST_CASE("an untouched version that is put back was not rejected") {
    format::ImageRecord record = record_of(1);
    install(record, source_of(2), 3);
    put_back(record, source_of(1));
    CHECK(record.rejected_version == 0);
    CHECK(record.version_floor == 1);
}

}  // namespace regild::volume
