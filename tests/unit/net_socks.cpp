// SPDX-License-Identifier: GPL-2.0-or-later
// The fetcher behind a SOCKS5 proxy that has its troubles.
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "loopback_listener.hpp"
#include "net/fetcher.hpp"
#include "url.hpp"

namespace regild::net {
namespace {

// What becomes of a connection: a reply of RFC 1928, or not even that.
enum class Socks : std::uint8_t {
    works = 0,
    general_failure = 1,
    not_allowed = 2,
    network_unreachable = 3,
    host_unreachable = 4,
    connection_refused = 5,
    ttl_expired = 6,
    command_not_supported = 7,
    address_type_not_supported = 8,
    closes_at_once,
    closes_after_the_greeting,
    is_of_another_version,
    takes_no_method,
    rejects_the_user,
};

// One connection after the other. Once it works it answers as the server behind it would.
class SocksServer {
  public:
    // What becomes of the first connections; of all further ones as of the last.
    explicit SocksServer(std::vector<Socks> script) : script_(std::move(script)) {
        thread_ = std::thread([this] { accept_all(); });
    }
    ~SocksServer() {
        listener_.close();
        thread_.join();
    }
    SocksServer(const SocksServer&) = delete;
    SocksServer& operator=(const SocksServer&) = delete;

    std::string url() const { return "socks5h://user:secret@127.0.0.1:" + std::to_string(listener_.port()); }
    std::size_t connections() const { return connections_; }

  private:
    void accept_all() {
        for (;;) {
            const Fd fd = listener_.next();
            if (!fd) return;
            serve(fd.get(), script_[std::min(connections_++, script_.size() - 1)]);
        }
    }

    static std::string take(int fd, std::size_t length) {
        std::string taken(length, '\0');
        const ssize_t got = recv(fd, taken.data(), length, MSG_WAITALL);
        taken.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
        return taken;
    }
    static std::size_t take_length(int fd) {
        const std::string taken = take(fd, 1);
        return taken.empty() ? 0 : static_cast<unsigned char>(taken.front());
    }
    static void give(int fd, std::initializer_list<unsigned> bytes) {
        const std::string given(bytes.begin(), bytes.end());
        send(fd, given.data(), given.size(), MSG_NOSIGNAL);
    }

    static void serve(int fd, Socks what) {
        if (what == Socks::closes_at_once) return;
        take(fd, 1);
        take(fd, take_length(fd));
        if (what == Socks::closes_after_the_greeting) return;
        if (what == Socks::is_of_another_version) return give(fd, {4, 0});
        if (what == Socks::takes_no_method) return give(fd, {5, 0xff});
        if (what == Socks::rejects_the_user) {
            give(fd, {5, 2});
            take(fd, 1);
            take(fd, take_length(fd));
            take(fd, take_length(fd));
            return give(fd, {1, 1});
        }
        give(fd, {5, 0});
        take(fd, 4);
        take(fd, take_length(fd) + 2);
        give(fd, {5, static_cast<unsigned>(what), 0, 1, 0, 0, 0, 0, 0, 0});
        if (what != Socks::works) return;
        for (std::string head; !head.ends_with("\r\n\r\n");) {
            const std::string more = take(fd, 1);
            if (more.empty()) return;
            head += more;
        }
        const std::string answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\ngolden";
        send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    }

    std::vector<Socks> script_;
    test::LoopbackListener listener_;
    std::atomic<std::size_t> connections_ = 0;
    std::thread thread_;
};

Result<std::string> fetch_through(const SocksServer& proxy, unsigned patience_seconds) {
    const StopFlag stop;
    FetchOptions options{.patience_seconds = patience_seconds};
    options.transport.proxy = *ProxyUrl::parse(proxy.url());
    return make_http_fetcher(options, stop)->get(test::url("http://server.example/x"), 100);
}

TEST_CASE("a SOCKS proxy that restarts, or whose network is away, is asked again") {
    const auto trouble = GENERATE(Socks::general_failure, Socks::network_unreachable, Socks::host_unreachable,
                                  Socks::connection_refused, Socks::ttl_expired, Socks::closes_at_once,
                                  Socks::closes_after_the_greeting);
    CAPTURE(trouble);
    const SocksServer proxy({trouble, trouble, Socks::works});
    const Result<std::string> fetched = fetch_through(proxy, 60);
    REQUIRE(fetched.ok());
    CHECK(*fetched == "golden");
    CHECK(proxy.connections() == 3);
}

TEST_CASE("a SOCKS proxy whose trouble does not pass is a network failure") {
    const SocksServer proxy({Socks::general_failure});
    const Result<std::string> fetched = fetch_through(proxy, 1);
    REQUIRE_FALSE(fetched.ok());
    CHECK(fetched.error().kind == Failure::network);
    CHECK(proxy.connections() > 1);
}

TEST_CASE("what a SOCKS proxy refuses is not asked for again") {
    const auto refusal =
        GENERATE(Socks::not_allowed, Socks::command_not_supported, Socks::address_type_not_supported,
                 Socks::is_of_another_version, Socks::takes_no_method, Socks::rejects_the_user);
    CAPTURE(refusal);
    const SocksServer proxy({refusal, Socks::works});
    const Result<std::string> fetched = fetch_through(proxy, 60);
    REQUIRE_FALSE(fetched.ok());
    CHECK(fetched.error().kind == Failure::source);
    CHECK(fetched.error().message.find("secret") == std::string::npos);
    CHECK(proxy.connections() == 1);
}

}  // namespace
}  // namespace regild::net
