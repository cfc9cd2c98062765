// SPDX-License-Identifier: GPL-2.0-or-later
// The fetcher against servers that do everything that servers do.
#include "net/fetcher.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "net_server.hpp"
#include "silent_observer.hpp"
#include "temporary_directory.hpp"
#include "url.hpp"

namespace regild::net {
namespace {

using test::Afterwards;
using test::HttpReply;
using test::HttpRequest;
using test::HttpServer;
using test::partial_content;
using test::status_only;

constexpr std::size_t range_size = 5000;

std::string make_file(std::size_t size) {
    std::string file(size, '\0');
    std::uint32_t state = 1;
    for (char& c : file) {
        state = state * 1664525 + 1013904223;
        c = static_cast<char>(state >> 24);
    }
    return file;
}

const std::string file = make_file(64 * range_size);

// Fetches every other piece of the file with one second of patience.
struct Attempt {
    explicit Attempt(const std::string& url, std::size_t pieces = 32,
                     const std::function<Result<void>(std::size_t)>& each = {}) {
        const StopFlag stop;
        const std::unique_ptr<Fetcher> fetcher = make_http_fetcher({.patience_seconds = 1}, stop);
        buffer.resize(pieces * range_size);
        std::vector<Range> ranges;
        for (std::size_t i = 0; i < pieces; ++i)
            ranges.push_back(
                {Bytes(2 * i * range_size), ByteSpan(buffer).subspan(i * range_size, range_size)});
        arrivals.resize(pieces);
        const auto arrived = [&](std::size_t i) {
            ++arrivals[i];
            return each ? each(i) : Result<void>();
        };
        result = fetcher->get_ranges(test::url(url), ranges, arrived, [&](Bytes bytes) { moved += bytes; });
        totals = fetcher->totals();
    }
    bool complete() const {
        for (std::size_t i = 0; i < arrivals.size(); ++i)
            if (arrivals[i] != 1 || as_text(buffer).substr(i * range_size, range_size) !=
                                        std::string_view(file).substr(2 * i * range_size, range_size))
                return false;
        return true;
    }
    Failure kind() const { return result.error().kind; }
    bool says(const std::string& text) const {
        return result.error().message.find(text) != std::string::npos;
    }

    ByteVector buffer;
    std::vector<unsigned> arrivals;
    Result<void> result;
    Totals totals;
    Bytes moved;
};

TEST_CASE("ranges arrive whole, and each is asked for once") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    const Attempt attempt(server.url("/image.raw"));
    REQUIRE(attempt.result.ok());
    REQUIRE(attempt.complete());
    REQUIRE(attempt.totals.requests == 32);
    REQUIRE(attempt.totals.received == Bytes(32 * range_size));
    REQUIRE(attempt.moved == Bytes(32 * range_size));
}

TEST_CASE("requests ask for the bytes as they are, with one range each") {
    HttpServer server([](const HttpRequest& request) {
        if (request.head.find("Accept-Encoding: identity\r\n") == std::string::npos)
            return status_only("400 encoding");
        if (request.head.find(',') != std::string::npos) return status_only("400 ranges");
        return partial_content(file, request);
    });
    REQUIRE(Attempt(server.url("/")).complete());
}

TEST_CASE("a 200 to a range is refused without taking the body") {
    HttpServer server([](const HttpRequest&) {
        return HttpReply{"HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + file};
    });
    const Attempt attempt(server.url("/image.raw"));
    REQUIRE_FALSE(attempt.result.ok());
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says("range requests"));
    REQUIRE(attempt.totals.received == Bytes(0));
    REQUIRE(attempt.buffer == ByteVector(attempt.buffer.size()));
}

TEST_CASE("a wrong Content-Range is refused") {
    HttpServer server([](HttpRequest request) {
        --request.last;
        HttpReply reply = partial_content(file, request);
        return reply;
    });
    const Attempt attempt(server.url("/"));
    REQUIRE_FALSE(attempt.result.ok());
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says("Content-Range"));
}

TEST_CASE("two Content-Range headers that differ are refused") {
    std::string more;
    bool first = false;
    HttpServer server([&](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        const std::size_t at = first ? reply.bytes.find("\r\n") + 2 : reply.bytes.find("Content-Length");
        reply.bytes.insert(at, more);
        return reply;
    });
    more = "content-range:bytes 0-4999/320000\r\n";
    REQUIRE(Attempt(server.url("/"), 1).complete());
    more = "Content-Range: bytes 1-5000/320000\r\n";
    first = GENERATE(false, true);
    const Attempt attempt(server.url("/"), 1);
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says("Content-Range"));
}

TEST_CASE("the headers of a redirect are not those of what it leads to") {
    HttpServer server([](const HttpRequest& request) {
        if (request.path == "/here")
            return status_only("302 Found\r\nLocation: /there\r\nContent-Encoding: gzip\r\nContent-Range: x");
        HttpReply reply = partial_content(file, request);
        reply.bytes.insert(0, "HTTP/1.1 103 Early Hints\r\nContent-Range: y\r\n\r\n");
        return reply;
    });
    REQUIRE(Attempt(server.url("/here")).complete());
}

TEST_CASE("a body that is longer than the range never leaves its span") {
    HttpServer server([](const HttpRequest& request) {
        const std::string head = "HTTP/1.1 206 x\r\nContent-Range: bytes " + std::to_string(request.first) +
                                 "-" + std::to_string(request.last) + "/*\r\n\r\n";
        return HttpReply{head + std::string(3 * range_size, 'x'), Afterwards::close};
    });
    ByteVector buffer(2 * range_size);
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 1}, stop);
    const Range range{Bytes(0), ByteSpan(buffer).first(range_size)};
    const Result<void> result = fetcher->get_ranges(
        test::url(server.url("/")), {&range, 1}, [](std::size_t) { return Result<void>(); }, [](Bytes) {});
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().kind == Failure::source);
    REQUIRE(all_zero(ConstByteSpan(buffer).last(range_size)));
}

TEST_CASE("a body that comes encoded is refused") {
    HttpServer server([](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        reply.bytes.insert(reply.bytes.find("\r\n") + 2, "Content-Encoding: gzip\r\n");
        return reply;
    });
    const Attempt attempt(server.url("/"));
    REQUIRE_FALSE(attempt.result.ok());
    REQUIRE(attempt.says("gzip"));
}

TEST_CASE("a missing file is an error at once, shown without credentials") {
    HttpServer server([](const HttpRequest&) { return status_only("404 Not Found"); });
    std::string url = server.url("/image.raw?token=secret");
    url.insert(7, "user:secret@");
    const Attempt attempt(url);
    REQUIRE_FALSE(attempt.result.ok());
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says(server.url("/image.raw")));
    REQUIRE_FALSE(attempt.says("secret"));
}

TEST_CASE("416 says that the file is shorter than the manifest says") {
    HttpServer server([](const HttpRequest&) { return status_only("416 Range Not Satisfiable"); });
    const Attempt attempt(server.url("/"));
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says("shorter"));
}

TEST_CASE("a server that is overloaded for a while is asked again") {
    unsigned count = 0;
    HttpServer server([&](const HttpRequest& request) {
        return ++count % 3 == 0 ? partial_content(file, request)
                                : status_only(count % 3 == 1 ? "503 Busy\r\nRetry-After: 0" : "500 Oops");
    });
    const Attempt attempt(server.url("/"), 6);
    REQUIRE(attempt.result.ok());
    REQUIRE(attempt.complete());
}

TEST_CASE("a server that stays overloaded is a network failure") {
    HttpServer server([](const HttpRequest&) { return status_only("429 Too Many Requests"); });
    const Attempt attempt(server.url("/"));
    REQUIRE(attempt.kind() == Failure::network);
    REQUIRE(attempt.says("429"));
}

TEST_CASE("a connection that is reset halfway is begun again") {
    unsigned count = 0;
    HttpServer server([&](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        if (++count % 2 == 1) {
            reply.bytes.resize(reply.bytes.size() - range_size / 2);
            reply.afterwards = count % 4 == 1 ? Afterwards::reset : Afterwards::close;
        }
        return reply;
    });
    const Attempt attempt(server.url("/"), 8);
    REQUIRE(attempt.result.ok());
    REQUIRE(attempt.complete());
    REQUIRE(attempt.totals.received > Bytes(8 * range_size));
    REQUIRE(attempt.moved == Bytes(8 * range_size));
}

TEST_CASE("a server that always breaks off halfway does not keep us for ever") {
    HttpServer server([](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        reply.bytes.resize(reply.bytes.size() - range_size / 2);
        reply.afterwards = Afterwards::close;
        return reply;
    });
    const Attempt attempt(server.url("/"), 4);
    REQUIRE(attempt.kind() == Failure::network);
}

TEST_CASE("a body that stays short is an error") {
    HttpServer server([](const HttpRequest& request) {
        return HttpReply{"HTTP/1.1 206 x\r\nContent-Range: bytes " + std::to_string(request.first) + "-" +
                         std::to_string(request.last) + "/*\r\nContent-Length: 10\r\n\r\n0123456789"};
    });
    const Attempt attempt(server.url("/"), 4);
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says("10 bytes came"));
}

TEST_CASE("with a limit all of it comes, piece by piece over several connections") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 1, .limit_rate = MiB(1)}, stop);
    ByteVector buffer(file.size());
    std::vector<Range> ranges;
    for (std::size_t i = 0; i < 4; ++i)
        ranges.push_back({Bytes(i * buffer.size() / 4),
                          ByteSpan(buffer).subspan(i * buffer.size() / 4, buffer.size() / 4)});
    REQUIRE(
        fetcher
            ->get_ranges(
                test::url(server.url("/")), ranges, [](std::size_t) { return Result<void>(); }, [](Bytes) {})
            .ok());
    REQUIRE(as_text(buffer) == file);
}

TEST_CASE("a server that is not there is a network failure") {
    std::string url;
    {
        const HttpServer server([](const HttpRequest&) { return HttpReply{}; });
        url = server.url("/");
    }
    REQUIRE(Attempt(url).kind() == Failure::network);
}

TEST_CASE("a redirect within the scheme is followed, to another one it is refused") {
    HttpServer server([](const HttpRequest& request) {
        if (request.path == "/here") return status_only("302 Found\r\nLocation: /there");
        if (request.path == "/file") return status_only("302 Found\r\nLocation: file:///etc/passwd");
        if (request.path == "/https") return status_only("301 Moved\r\nLocation: https://127.0.0.1:1/");
        if (request.path == "/loop") return status_only("302 Found\r\nLocation: /loop");
        return partial_content(file, request);
    });
    REQUIRE(Attempt(server.url("/here")).complete());
    for (const char* path : {"/file", "/https", "/loop"}) {
        const Attempt attempt(server.url(path));
        REQUIRE_FALSE(attempt.result.ok());
        REQUIRE(attempt.kind() == Failure::source);
        REQUIRE(attempt.says("redirect"));
    }
}

TEST_CASE("what is secret goes to the named servers alone, and not where they redirect to") {
    std::string elsewhere_heads;
    std::string return_url;
    HttpServer elsewhere([&](const HttpRequest& request) {
        elsewhere_heads += request.head;
        if (request.path == "/back") return status_only("302 Found\r\nLocation: " + return_url);
        return partial_content(file, request);
    });
    std::string heads;
    HttpServer server([&](const HttpRequest& request) {
        heads += request.head;
        if (request.path == "/here" || request.path == "/return")
            return status_only("302 Found\r\nLocation: /last");
        if (request.path == "/away") return status_only("302 Found\r\nLocation: " + elsewhere.url("/"));
        if (request.path == "/both")
            return status_only("302 Found\r\nLocation: /last\r\nLocation: " + elsewhere.url("/"));
        if (request.path == "/back") return status_only("302 Found\r\nLocation: " + elsewhere.url("/back"));
        return partial_content(file, request);
    });
    return_url = server.url("/return");
    FetchOptions options{.patience_seconds = 1};
    options.transport.credentials = {{"Authorization: Bearer hunter2", "X-Key: hunter3"},
                                     {test::url(server.url("/")).origin()}};
    const StopFlag stop;
    const auto fetcher = make_http_fetcher(options, stop);
    ByteVector buffer(range_size);
    const auto fetch = [&](const std::string& url) {
        const Range range{Bytes(0), ByteSpan(buffer)};
        return fetcher->get_ranges(
            test::url(url), {&range, 1}, [](std::size_t) { return Result<void>(); }, [](Bytes) {});
    };
    const auto secrets = [](const std::string& text) {
        return (text.find("hunter2") != std::string::npos) + (text.find("hunter3") != std::string::npos);
    };
    const auto first_head = [&] { return heads.substr(0, heads.find("\r\n\r\n")); };
    const auto later_heads = [&] { return heads.substr(heads.find("\r\n\r\n")); };
    REQUIRE(fetch(server.url("/here")).ok());
    REQUIRE(secrets(first_head()) == 2);
    REQUIRE(secrets(later_heads()) == 2);
    for (const char* path : {"/away", "/back"}) {
        heads.clear();
        REQUIRE(fetch(server.url(path)).ok());
        REQUIRE(secrets(first_head()) == 2);
        REQUIRE(secrets(later_heads()) == 0);
    }
    REQUIRE(heads.find("GET /last") != std::string::npos);
    // Where it cannot be told which of two is followed, nobody gets them any more.
    heads.clear();
    [[maybe_unused]] const Result<void> either = fetch(server.url("/both"));
    REQUIRE(secrets(later_heads()) == 0);
    REQUIRE(fetch(elsewhere.url("/direct")).ok());
    REQUIRE(elsewhere_heads.find("/direct") != std::string::npos);
    REQUIRE(secrets(elsewhere_heads) == 0);
    // And again to who may have them.
    heads.clear();
    REQUIRE(fetch(server.url("/last")).ok());
    REQUIRE(secrets(heads) == 2);
}

TEST_CASE("a redirect to a URL that has expired is asked for anew, and not for ever") {
    unsigned signature = 0;
    unsigned uses = 0;
    unsigned expired = 0;
    bool always = false;
    HttpServer server([&](const HttpRequest& request) {
        if (request.path == "/image.zst")
            return status_only("302 Found\r\nLocation: /signed?" + std::to_string(signature));
        // A signature is good once; a cache before the server gives it out again until that shows.
        if (always || request.path != "/signed?" + std::to_string(signature) || ++uses % 2 == 0) {
            ++signature;
            ++expired;
            return status_only("403 Forbidden");
        }
        return partial_content(file, request);
    });
    const Attempt attempt(server.url("/image.zst"), 1);
    REQUIRE(attempt.complete());
    REQUIRE(Attempt(server.url("/image.zst"), 1).complete());
    REQUIRE(expired == 1);
    always = true;
    expired = 0;
    const StopFlag stop;
    const Result<std::string> refused =
        make_http_fetcher({}, stop)->get(test::url(server.url("/image.zst")), 9);
    REQUIRE_FALSE(refused.ok());
    REQUIRE(refused.error().kind == Failure::source);
    REQUIRE(refused.error().message.find("403") != std::string::npos);
    REQUIRE(refused.error().message.find("redirected to") != std::string::npos);
    REQUIRE(expired == 4);
    // Without a redirect nothing has expired.
    expired = 0;
    REQUIRE(Attempt(server.url("/signed"), 1).kind() == Failure::source);
    REQUIRE(expired == 1);
}

TEST_CASE("an answer that is not HTTP is refused, and not called a redirect") {
    HttpServer server([](const HttpRequest&) { return HttpReply{"hello\n", Afterwards::close}; });
    const Attempt attempt(server.url("/"));
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE_FALSE(attempt.says("redirect"));
}

TEST_CASE("an error of the caller ends the fetch") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    const Attempt attempt(server.url("/"), 32, [](std::size_t i) -> Result<void> {
        if (i == 5) return Error{Failure::refused, "enough"};
        return {};
    });
    REQUIRE(attempt.kind() == Failure::refused);
    REQUIRE(attempt.says("enough"));
}

TEST_CASE("a range that was wrong once is asked for again over another connection") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    bool wrong = false;
    const Attempt attempt(server.url("/"), 1, [&](std::size_t) -> Result<void> {
        if (std::exchange(wrong, true)) return {};
        return Error{Failure::source, "block 7 is wrong"};
    });
    REQUIRE(attempt.result.ok());
    REQUIRE(attempt.arrivals[0] == 2);
    REQUIRE(server.connections() == 2);
    REQUIRE(attempt.totals.received == Bytes(2 * range_size));
    REQUIRE(attempt.moved == Bytes(range_size));
}

TEST_CASE("a range that stays wrong is the source's fault") {
    HttpServer server([](const HttpRequest& request) { return partial_content(file, request); });
    const Attempt attempt(server.url("/"), 8, [](std::size_t i) -> Result<void> {
        if (i == 0) return Error{Failure::source, "block 7 is wrong"};
        return {};
    });
    REQUIRE(attempt.kind() == Failure::source);
    REQUIRE(attempt.says(": wrong 4 times: block 7 is wrong"));
    REQUIRE(attempt.arrivals[0] == 4);
}

TEST_CASE("a server that drips is given up, and somebody hears of it") {
    test::SilentObserver observer;
    HttpServer server([](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        reply.drip = {.bytes = 100, .pause = std::chrono::milliseconds(50)};
        return reply;
    });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 1, .observer = &observer}, stop);
    ByteVector buffer(range_size);
    const Range range{Bytes(0), ByteSpan(buffer)};
    const Result<void> result = fetcher->get_ranges(
        test::url(server.url("/")), {&range, 1}, [](std::size_t) { return Result<void>(); }, [](Bytes) {});
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().kind == Failure::network);
    REQUIRE(result.error().message.find("gave up: ") == 0);
    REQUIRE(result.error().message.find("in the last 1 s: " + server.url("/") + ": the server is too slow") !=
            std::string::npos);
    REQUIRE(observer.events.size() == 1);
    REQUIRE(observer.events[0].find("giving up in 1 s") != std::string::npos);
}

TEST_CASE("one byte more at each try does not keep a server from being given up") {
    std::size_t tries = 0;
    HttpServer server([&](const HttpRequest& request) {
        HttpReply reply = partial_content(file, request);
        if (++tries > 100) return reply;
        reply.bytes.resize(reply.bytes.size() - 200 + tries);
        reply.afterwards = Afterwards::close;
        return reply;
    });
    const Attempt attempt(server.url("/"), 1);
    REQUIRE(attempt.kind() == Failure::network);
    REQUIRE(attempt.says("gave up: "));
}

TEST_CASE("a stop request ends the fetch while a server is silent") {
    StopFlag stop;
    HttpServer server([&](const HttpRequest&) {
        stop.request();
        return HttpReply{};
    });
    const auto fetcher = make_http_fetcher({.patience_seconds = 60}, stop);
    const Result<std::string> result = fetcher->get(test::url(server.url("/")), 100);
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().kind == Failure::interrupted);
}

TEST_CASE("a whole file is bounded") {
    HttpServer server([](const HttpRequest&) {
        return HttpReply{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"};
    });
    const StopFlag stop;
    const auto fetcher = make_http_fetcher({.patience_seconds = 1}, stop);
    REQUIRE(*fetcher->get(test::url(server.url("/")), 10) == "0123456789");
    const Result<std::string> longer = fetcher->get(test::url(server.url("/")), 9);
    REQUIRE_FALSE(longer.ok());
    REQUIRE(longer.error().kind == Failure::source);
    REQUIRE(longer.error().message.find("longer") != std::string::npos);
}

TEST_CASE("file URLs work with ranges too") {
    const test::TemporaryDirectory directory;
    const std::filesystem::path path = directory.path() / "image.raw";
    std::ofstream(path, std::ios::binary) << file;
    const Attempt attempt("file://" + path.string());
    REQUIRE(attempt.result.ok());
    REQUIRE(attempt.complete());

    std::filesystem::resize_file(path, file.size() / 2);
    const Attempt cut("file://" + path.string());
    REQUIRE_FALSE(cut.result.ok());
    REQUIRE(cut.kind() == Failure::source);
    REQUIRE(Attempt("file://" + (directory.path() / "none").string()).kind() == Failure::source);
}

}  // namespace
}  // namespace regild::net
