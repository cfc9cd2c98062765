// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/response.hpp"

#include <catch2/catch.hpp>

namespace regild::net {
namespace {

constexpr ByteRange wanted{Bytes(4096), Bytes(1000)};

ResponseHead head_of(std::initializer_list<std::string_view> lines) {
    ResponseHead head;
    for (const std::string_view line : lines)
        head.add_line(line);
    return head;
}

Verdict verdict(std::initializer_list<std::string_view> lines,
                const std::optional<ByteRange>& range = wanted) {
    return judge(head_of(lines), range).verdict;
}

TEST_CASE("a Content-Range is read to the letter") {
    REQUIRE(parse_content_range("bytes 0-0/1")->total == 1u);
    REQUIRE(parse_content_range("bytes 5-9/*")->first == 5);
    REQUIRE(parse_content_range("bytes 5-9/*")->last == 9);
    REQUIRE_FALSE(parse_content_range("bytes 5-9/*")->total);
    for (const char* bad : {"", "bytes", "bytes 9-5/10", "bytes 5-/10", "bytes -5/10", "bytes 5-9",
                            "bytes 5-9/", "bytes 5-9/10x", "bytes */10", "items 5-9/10",
                            "bytes 5-9/10, 11-12/20", "bytes 99999999999999999999-99999999999999999999/*"})
        REQUIRE_FALSE(parse_content_range(bad));
}

TEST_CASE("a 206 with exactly the range is accepted") {
    REQUIRE(verdict({"HTTP/1.1 206 Partial Content\r\n", "Content-Range: bytes 4096-5095/10000\r\n"}) ==
            Verdict::accept);
    REQUIRE(verdict({"HTTP/1.1 206 \r\n", "content-range:bytes 4096-5095/*\r\n"}) == Verdict::accept);
}

TEST_CASE("a 206 with any other range is refused") {
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", "Content-Range: bytes 4096-5094/10000\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", "Content-Range: bytes 4095-5095/10000\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", "Content-Range: bytes 4096-5095/5095\r\n"}) == Verdict::refuse);
}

TEST_CASE("two Content-Range headers that differ are refused") {
    const char* const wanted_header = "Content-Range: bytes 4096-5095/10000\r\n";
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", wanted_header, wanted_header}) == Verdict::accept);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", wanted_header, "Content-Range: bytes 0-999/10000\r\n"}) ==
            Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", "Content-Range: bytes 0-999/10000\r\n", wanted_header}) ==
            Verdict::refuse);
}

TEST_CASE("a 200 to a range is refused and says why") {
    const Judgement judgement = judge(head_of({"HTTP/1.1 200 OK\r\n"}), wanted);
    REQUIRE(judgement.verdict == Verdict::refuse);
    REQUIRE(judgement.reason.find("range requests") != std::string::npos);
    REQUIRE(verdict({"HTTP/1.1 200 OK\r\n"}, std::nullopt) == Verdict::accept);
}

TEST_CASE("an encoded body is refused") {
    REQUIRE(verdict({"HTTP/1.1 200 OK\r\n", "Content-Encoding: gzip\r\n"}, std::nullopt) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 206 x\r\n", "Content-Range: bytes 4096-5095/*\r\n",
                     "CONTENT-ENCODING: Identity\r\n"}) == Verdict::accept);
}

TEST_CASE("an overloaded server is asked again, a missing file is not") {
    REQUIRE(verdict({"HTTP/1.1 503 x\r\n"}) == Verdict::retry);
    REQUIRE(verdict({"HTTP/1.1 500 x\r\n"}) == Verdict::retry);
    REQUIRE(verdict({"HTTP/1.1 429 x\r\n"}) == Verdict::retry);
    REQUIRE(verdict({"HTTP/1.1 404 x\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 403 x\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 416 x\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 204 x\r\n"}, std::nullopt) == Verdict::refuse);
    REQUIRE(verdict({"no status at all\r\n"}) == Verdict::refuse);
}

TEST_CASE("Retry-After counts where it is a number of seconds") {
    REQUIRE(head_of({"HTTP/1.1 503 x\r\n", "Retry-After: 7\r\n"}).retry_after_seconds == 7u);
    REQUIRE_FALSE(head_of({"HTTP/1.1 503 x\r\n", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"})
                      .retry_after_seconds);
}

TEST_CASE("each response begins a new head") {
    const ResponseHead head =
        head_of({"HTTP/1.1 302 Found\r\n", "Location: /b\r\n", "Content-Encoding: gzip\r\n", "\r\n",
                 "HTTP/1.1 206 x\r\n", "Content-Range: bytes 4096-5095/*\r\n"});
    REQUIRE_FALSE(head.has_location);
    REQUIRE(judge(head, wanted).verdict == Verdict::accept);
    REQUIRE(verdict({"HTTP/1.1 302 Found\r\n", "Location: /b\r\n"}) == Verdict::pass_by);
    REQUIRE(verdict({"HTTP/1.1 302 Found\r\n"}) == Verdict::refuse);
    REQUIRE(verdict({"HTTP/1.1 100 Continue\r\n"}) == Verdict::pass_by);
}

TEST_CASE("what a server sends is made harmless before it is shown") {
    const Judgement judgement =
        judge(head_of({"HTTP/1.1 206 x\r\n", "Content-Range: \x1b[31mred\r\n"}), wanted);
    REQUIRE(judgement.reason.find('\x1b') == std::string::npos);
}

}  // namespace
}  // namespace regild::net
