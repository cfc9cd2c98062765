// SPDX-License-Identifier: GPL-2.0-or-later
// Fetching bytes from a URL: libcurl lives in this folder only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/observer.hpp"
#include "base/result.hpp"
#include "base/stop.hpp"
#include "base/units.hpp"
#include "net/url.hpp"

namespace regild::net {

struct Range {
    Bytes offset;
    ByteSpan into;  // its size is the length of the range
};

struct Totals {
    std::uint64_t requests = 0;
    Bytes received;  // bodies, also of requests that were tried again
};

class Fetcher {
  public:
    // A range has come whole, in any order. Failure::source says that its bytes are wrong: it is asked for
    // again, over another connection, a few times, and the error then names the URL; any other failure ends
    // the fetch.
    using Arrived = std::function<Result<void>(std::size_t number)>;
    // Bytes of the ranges have come that no try had brought before: in the end as many as the ranges have.
    using Moved = std::function<void(Bytes)>;

    virtual ~Fetcher() = default;
    // The whole resource; Failure::source when it is longer than `limit`, a 404 and the like;
    // Failure::network when the server cannot be reached after the retries.
    virtual Result<std::string> get(const Url& url, std::size_t limit) = 0;
    // Fills each range exactly, several at a time; both functions are called on the calling thread. A 200 to
    // a range, a short body, a wrong Content-Range, an encoded body, 404, 416: Failure::source.
    virtual Result<void> get_ranges(const Url& url, std::span<const Range> ranges, const Arrived& arrived,
                                    const Moved& moved) = 0;
    virtual Totals totals() const = 0;
};

// Up to 16 keep-alive connections, single ascending ranges. http, https and file URLs; a redirect stays in
// its scheme. Transient failures (connection lost, 429, 5xx, stalled) are tried again, with exponential
// back-off and jitter, until `patience_seconds` have brought less than Patience::minimum_rate. The observer
// hears of it when half of that time has passed.
struct FetchOptions {
    unsigned patience_seconds = 20;
    Observer* observer = nullptr;  // outlives the fetcher
    Bytes limit_rate{};            // bytes a second, over one connection alone; 0: no limit
};
std::unique_ptr<Fetcher> make_http_fetcher(const FetchOptions& options, const StopFlag& stop);

// Where there is no network: each request is Failure::network at once.
std::unique_ptr<Fetcher> make_offline_fetcher();

}  // namespace regild::net
