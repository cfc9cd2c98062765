// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching bytes from a URL: libcurl lives in this folder only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/observer.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "base/units.hpp"
#include "net/transport.hpp"
#include "net/url.hpp"

namespace regild::net {

struct Range {
    Bytes offset;
    ByteSpan into;           // its size is the length of the range
    std::size_t number = 0;  // how the asker calls it: of those that have not arrived each has its own
};

// What a request and its answer take with their headers, roughly: fewer bytes that nobody wants are better
// read than left out by a second request.
inline constexpr Bytes request_overhead{512};

// The ranges of one resource that are wanted, told as their turn comes.
class Ranges {
  public:
    virtual ~Ranges() = default;
    // The next one; nothing: none at the moment. Its memory stays until it has arrived or the fetch has
    // ended.
    virtual std::optional<Range> next() = 0;
    // It has come whole. Called on threads of the fetcher, several at a time; what it may not do at once with
    // others belongs into arrived(). Failure::source says of both that its bytes are wrong: it is asked for
    // again, over another connection, and when they have been wrong most_wrong() times the error names the
    // URL. Any other failure ends the fetch.
    virtual Result<void> verify(std::size_t) { return {}; }
    // It has been verified; in any order, on the thread that fetches.
    virtual Result<void> arrived(std::size_t number) = 0;
    // How often the same range may be wrong, 1 or more: what is so each time is wrong at the source.
    virtual unsigned most_wrong() const { return 4; }
    // Bytes have come that no try had brought before: in the end as many as the ranges have.
    virtual void moved(Bytes) {}
};

struct Totals {
    std::uint64_t requests = 0;
    Bytes received;        // bodies, also of requests that were tried again
    Bytes over_network{};  // of them, all but those of files; and the bodies of redirects
};

class Fetcher {
  public:
    using Arrived = std::function<Result<void>(std::size_t number)>;
    using Moved = std::function<void(Bytes)>;

    virtual ~Fetcher() = default;
    // The whole resource; Failure::source when it is longer than `limit`, a 404 and the like;
    // Failure::network when the server cannot be reached after the retries.
    virtual Result<std::string> get(const Url& url, std::size_t limit) = 0;
    // Fills each range exactly, several at a time, until all have arrived and there is no next one. A 200 to
    // a range, a short body, a wrong Content-Range, an encoded body, 404, 416: Failure::source. Whatever the
    // error, what was verified has arrived.
    virtual Result<void> get_ranges(const Url& url, Ranges& ranges) = 0;
    // The same where all are known: their numbers are their places in `ranges`.
    Result<void> get_ranges(const Url& url, std::span<const Range> ranges, const Arrived& arrived,
                            const Moved& moved);
    // What came from here has led to bytes that are wrong wherever they are asked for: somebody else is asked
    // for it the next time. False: there is nobody who has not been refuted, or only he gives anything.
    virtual bool refute(const Url&) { return false; }
    virtual Totals totals() const = 0;
    // Totals::over_network does not become more than `most`; nothing: any number. A request that could bring
    // more than is left is not made, but Failure::refused when those before it have ended.
    virtual void allow(std::optional<Bytes> most) = 0;
};

// Up to 16 keep-alive connections; while requests are small, together less than 4 MiB, up to 64, or over
// HTTP/2 one with up to 100 requests, until something goes wrong; single ascending ranges. http, https and
// file URLs; a redirect stays in its scheme. Transient failures (connection lost, 429, 5xx, stalled) are
// tried again, with exponential back-off and jitter, until `patience_seconds` have brought less than
// Patience::minimum_rate. The observer hears of it when half of that time has passed. Time in which the limit
// of our own holds a server up, or all that was asked for has come and is verified, does not count.
struct FetchOptions {
    unsigned patience_seconds = 20;
    Observer* observer = nullptr;  // outlives the fetcher
    Bytes limit_rate{};            // bytes a second of all bodies over http and https together; 0: no limit
    Transport transport{};
};
std::unique_ptr<Fetcher> make_http_fetcher(const FetchOptions& options, const StopFlag& stop);

// Makes a fetcher that asks the one that it is given.
using WrapFetcher = std::function<std::unique_ptr<Fetcher>(std::unique_ptr<Fetcher>)>;

// Where there is no network: asks `fetcher` for file URLs; each other request is Failure::network at once.
std::unique_ptr<Fetcher> make_offline_fetcher(std::unique_ptr<Fetcher> fetcher);

}  // namespace regild::net
