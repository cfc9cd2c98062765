// SPDX-License-Identifier: GPL-2.0-or-later
// What can be said of the mapped device without a kernel; the rest is tested in virtual machines.
#include "dm/mapping.hpp"

#include <catch2/catch.hpp>

#include "dm/hold_lock.hpp"
#include "dm/holders.hpp"
#include "temporary_directory.hpp"

using namespace regild;
using namespace regild::dm;

TEST_CASE("the table line is the one that the target documents") {
    WritelogTable table{Sectors(8192), "/dev/vda2", "/dev/vda3", Sectors(128)};
    CHECK(table.parameters() == "/dev/vda2 0 /dev/vda3 0 128");
    table.allow_discards = true;
    CHECK(table.parameters() == "/dev/vda2 0 /dev/vda3 0 128 1 allow_discards");
}

TEST_CASE("spaces in a path do not split the table line") {
    const WritelogTable table{Sectors(8), "/dev/a b", "/dev/c\\d", Sectors(8)};
    CHECK(table.parameters() == "/dev/a\\ b 0 /dev/c\\\\d 0 8");
}

TEST_CASE("a mapped device with a bad name or a foreign UUID is refused before the kernel is asked") {
    const auto mapper = make_device_mapper();
    const WritelogTable table{Sectors(8), "/dev/a", "/dev/b", Sectors(8)};
    for (const char* name : {"", "a/b", "control", "a b", ".."}) {
        CHECK(mapper->hold(name, "REGILD-x", table).error().kind == Failure::usage);
        CHECK(mapper->remove(name).error().kind == Failure::usage);
    }
    CHECK(mapper->hold("kiosk", "LVM-x", table).error().kind == Failure::usage);
    CHECK(mapper->hold("kiosk", "REGILD-" + std::string(122, 'x'), table).error().kind == Failure::usage);
}

TEST_CASE("a mapped device that lies on the disk besides ours is seen") {
    const test::TemporaryDirectory sys;
    const std::filesystem::path holders = sys / "holders";
    CHECK(other_holder(sys.path(), "dm-1"));  // a kernel that does not say is not trusted
    std::filesystem::create_directory(holders);
    CHECK_FALSE(other_holder(sys.path(), "dm-1"));
    std::filesystem::create_directory(holders / "dm-1");
    CHECK_FALSE(other_holder(sys.path(), "dm-1"));
    std::filesystem::create_directory(holders / "dm-11");
    CHECK(other_holder(sys.path(), "dm-1") == "dm-11");
}

TEST_CASE("a hold is one process's until it is dropped") {
    const test::TemporaryDirectory run;
    const std::string folder = (run / "regild").string();
    {
        const Result<Fd> first = lock_hold(folder, "kiosk");
        REQUIRE(first.ok());
        const Result<Fd> second = lock_hold(folder, "kiosk");
        REQUIRE_FALSE(second.ok());
        CHECK(second.error().kind == Failure::refused);
        CHECK(lock_hold(folder, "other").ok());
    }
    CHECK(lock_hold(folder, "kiosk").ok());
    CHECK(lock_hold((run / "regild/kiosk.hold").string(), "kiosk").error().kind == Failure::failed);
}
