// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/response.hpp"

#include <catch2/catch.hpp>

namespace regild::net {
namespace {

constexpr ByteRange wanted{Bytes(4096), Bytes(1000)};

ResponseHead partial(const std::string& content_range, const std::string& content_encoding = "") {
    return {206, false, content_encoding, content_range};
}

ResponseHead answer(long status) {
    ResponseHead head;
    head.status = status;
    return head;
}

Verdict verdict(const ResponseHead& head, const std::optional<ByteRange>& range = wanted) {
    return judge(head, range).verdict;
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
    REQUIRE(verdict(partial("bytes 4096-5095/10000")) == Verdict::accept);
    REQUIRE(verdict(partial("bytes 4096-5095/*")) == Verdict::accept);
}

TEST_CASE("a 206 with any other range is refused") {
    REQUIRE(verdict(partial("")) == Verdict::refuse);
    REQUIRE(verdict(partial("bytes 4096-5094/10000")) == Verdict::refuse);
    REQUIRE(verdict(partial("bytes 4095-5095/10000")) == Verdict::refuse);
    REQUIRE(verdict(partial("bytes 4096-5095/5095")) == Verdict::refuse);
    REQUIRE(verdict(partial("bytes 4096-5095/10000, bytes 0-999/10000")) == Verdict::refuse);
}

TEST_CASE("a 200 to a range is refused and says why") {
    const Judgement judgement = judge(answer(200), wanted);
    REQUIRE(judgement.verdict == Verdict::refuse);
    REQUIRE(judgement.reason.find("range requests") != std::string::npos);
    REQUIRE(verdict(answer(200), std::nullopt) == Verdict::accept);
}

TEST_CASE("an encoded body is refused") {
    REQUIRE(verdict({200, false, "gzip", ""}, std::nullopt) == Verdict::refuse);
    REQUIRE(verdict(partial("bytes 4096-5095/*", "Identity")) == Verdict::accept);
    REQUIRE(verdict(partial("bytes 4096-5095/*", "identity, gzip")) == Verdict::refuse);
}

TEST_CASE("an overloaded server is asked again, a missing file is not") {
    for (const long status : {408, 429, 500, 503})
        CHECK(verdict(answer(status)) == Verdict::retry);
    for (const long status : {0, 401, 403, 404, 410, 416, 204})
        CHECK(verdict(answer(status)) == Verdict::refuse);
    REQUIRE(verdict(answer(204), std::nullopt) == Verdict::refuse);
}

TEST_CASE("interim responses and redirects are passed by") {
    REQUIRE(verdict(answer(100)) == Verdict::pass_by);
    REQUIRE(verdict({302, true, "", ""}) == Verdict::pass_by);
    REQUIRE(verdict(answer(302)) == Verdict::refuse);
}

TEST_CASE("what a server sends is made harmless before it is shown") {
    const Judgement judgement = judge(partial("\x1b[31mred"), wanted);
    REQUIRE(judgement.reason.find('\x1b') == std::string::npos);
}

}  // namespace
}  // namespace regild::net
