// SPDX-License-Identifier: GPL-2.0-or-later
// Boots that may fetch only so much of a server.
#include "boot_kiosk.hpp"
#include "net_server.hpp"

namespace regild::boot {
namespace {

using test::block_bytes;
using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using test::ProvisionedKiosk;
using test::read_file;

}  // namespace

TEST_CASE("a boot that would fetch more than it may ends at once, as the session left it") {
    ProvisionedKiosk kiosk;
    HttpServer server(
        [&](const HttpRequest& request) { return test::file_content(kiosk.directory / "store", request); });
    kiosk.configuration.source = server.url("/kiosk/stable.json");
    kiosk.dirty(3);
    const std::string before = read_file(kiosk.data());
    kiosk.configuration.max_fetch = Bytes(100);
    const Result<BootReport> refused = kiosk.boot();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::refused);
    CHECK(kiosk.waits.empty());
    CHECK(kiosk.trace.activated == 0);
    CHECK(read_file(kiosk.data()) == before);
    kiosk.configuration.max_fetch = MiB(1);
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
}

TEST_CASE("a boot whose requests break off ends at max_fetch without waiting, and the next one goes on") {
    ProvisionedKiosk kiosk;
    bool breaks_off = false;
    HttpServer server([&](const HttpRequest& request) {
        HttpReply reply = test::file_content(kiosk.directory / "store", request);
        const bool is_block_20 = request.path.ends_with("image.zst") && request.first > 10 * block_bytes;
        return breaks_off && is_block_20 ? test::broken_off(std::move(reply)) : reply;
    });
    kiosk.configuration.source = server.url("/kiosk/stable.json");
    kiosk.configuration.max_fetch = MiB(1);
    const auto half_done = [&] {
        kiosk.dirty(3);
        kiosk.dirty(20);
        kiosk.set_state(format::VolumeState::restoring);
    };
    half_done();
    const Result<BootReport> whole = kiosk.boot();
    REQUIRE(whole.ok());
    kiosk.configuration.max_fetch = whole->restore.bytes_fetched;
    kiosk.trace = {};
    half_done();
    breaks_off = true;
    const Result<BootReport> refused = kiosk.boot();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().kind == Failure::refused);
    CHECK(kiosk.waits.empty());
    CHECK(kiosk.trace.activated == 0);
    CHECK(kiosk.marked() == Blocks(1));
    breaks_off = false;
    REQUIRE(kiosk.boot().ok());
    CHECK(kiosk.is_golden());
}

}  // namespace regild::boot
