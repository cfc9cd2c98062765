// SPDX-License-Identifier: GPL-2.0-or-later
// The fetcher's one loop: a libcurl multi handle, a few connections, many requests in line.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>

#include "net/back_off.hpp"
#include "net/fetcher.hpp"
#include "net/patience.hpp"
#include "net/transfer.hpp"

namespace regild::net {
namespace {

using Clock = Patience::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t max_connections = 16;
// A range whose bytes are wrong so often is wrong at the source.
constexpr unsigned most_wrong_answers = 4;
// How long the loop may not look at the stop flag.
constexpr milliseconds longest_poll{200};

class HttpFetcher final : public Fetcher {
  public:
    HttpFetcher(const FetchOptions& options, const StopFlag& stop) : options_(options), stop_(&stop) {}
    ~HttpFetcher() override { abandon_active(); }
    HttpFetcher(const HttpFetcher&) = delete;
    HttpFetcher& operator=(const HttpFetcher&) = delete;

    Result<std::string> get(const Url& url, std::size_t limit) override;
    Result<void> get_ranges(const Url& url, std::span<const Range> ranges, const Arrived& arrived,
                            const Moved& moved) override;
    Totals totals() const override { return totals_; }

  private:
    Result<void> run(const Url& url, std::span<Job> jobs, const Arrived& arrived, const Moved& moved);
    Result<void> loop(const Url& url, std::span<Job> jobs, const Arrived& arrived, const Moved& moved);
    void tell(const Url& url, Patience& patience, const std::optional<Error>& last_error);
    Result<void> start(const Url& url, Job& job, std::size_t number);
    std::size_t most_connections() const { return options_.limit_rate > Bytes(0) ? 1 : max_connections; }
    // The next transfer that ended, taken out of the multi handle.
    std::optional<std::pair<Transfer*, CURLcode>> next_ended();
    void abandon_active();

    FetchOptions options_;
    const StopFlag* stop_;
    Totals totals_;
    // The multi handle keeps the connections alive; the transfers' handles must be gone before it.
    MultiHandle multi_;
    std::vector<std::unique_ptr<Transfer>> transfers_;
    std::vector<Transfer*> idle_;
    std::vector<Transfer*> active_;
};

// "20 B in the last 10 s"
std::string lately(Bytes received, seconds time) {
    return format_size(received) + " in the last " + std::to_string(time.count()) + " s";
}

Result<std::string> HttpFetcher::get(const Url& url, std::size_t limit) {
    std::array<Job, 1> job;
    job[0].limit = limit;
    const Result<void> fetched = run(
        url, job, [](std::size_t) { return Result<void>(); }, [](Bytes) {});
    if (!fetched) return fetched.error();
    return std::move(job[0].text);
}

Result<void> HttpFetcher::get_ranges(const Url& url, std::span<const Range> ranges, const Arrived& arrived,
                                     const Moved& moved) {
    std::vector<Job> jobs(ranges.size());
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        jobs[i].range = ByteRange{ranges[i].offset, Bytes(ranges[i].into.size())};
        jobs[i].into = ranges[i].into;
    }
    return run(url, jobs, arrived, moved);
}

Result<void> HttpFetcher::run(const Url& url, std::span<Job> jobs, const Arrived& arrived,
                              const Moved& moved) {
    if (!multi_) {
        static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
        if (global == CURLE_OK) multi_.reset(curl_multi_init());
        if (!multi_) return Error{Failure::failed, "libcurl cannot be initialized"};
        curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(max_connections));
    }
    Result<void> result = loop(url, jobs, arrived, moved);
    abandon_active();
    return result;
}

void HttpFetcher::tell(const Url& url, Patience& patience, const std::optional<Error>& last_error) {
    if (!options_.observer) return;
    const seconds half = std::chrono::ceil<seconds>(milliseconds(patience.window()) / 2);
    const std::string why = last_error ? last_error->message : url.shown();
    options_.observer->event(why + ": " + lately(patience.received_lately(Clock::now(), half), half) +
                             ", giving up in " + std::to_string(half.count()) + " s");
}

Result<void> HttpFetcher::loop(const Url& url, std::span<Job> jobs, const Arrived& arrived,
                               const Moved& moved) {
    Patience patience(seconds(options_.patience_seconds), Clock::now());
    BackOff back_off(milliseconds(patience.window()) / 2);
    std::deque<std::size_t> again;  // jobs to try again; they go first, so that requests stay ascending
    std::size_t next = 0;
    std::size_t done = 0;
    std::optional<Error> last_error;

    while (done < jobs.size()) {
        if (stop_->requested()) return Error{Failure::interrupted, "interrupted"};
        const Clock::time_point now = Clock::now();
        if (patience.is_over(now)) {
            const Error why =
                last_error.value_or(Error{Failure::network, url.shown() + ": the server is too slow"});
            return why.context("gave up: " +
                               lately(patience.received_lately(now, patience.window()), patience.window()));
        }
        if (patience.wears_thin(now)) tell(url, patience, last_error);
        while (active_.size() < most_connections() && now >= back_off.not_before() &&
               (!again.empty() || next < jobs.size())) {
            std::size_t number = next;
            if (again.empty()) {
                ++next;
            } else {
                number = again.front();
                again.pop_front();
            }
            if (Result<void> started = start(url, jobs[number], number); !started) return started;
        }

        int running = 0;
        if (const CURLMcode code = curl_multi_perform(multi_.get(), &running); code != CURLM_OK)
            return Error{Failure::failed, std::string("libcurl: ") + curl_multi_strerror(code)};
        Bytes fresh;
        Bytes unreported;
        for (Transfer* transfer : active_) {
            fresh += transfer->take_progress();
            Job& job = transfer->job();
            unreported += Bytes(job.farthest - std::min(job.farthest, job.reported));
            job.reported = std::max(job.reported, job.farthest);
        }
        patience.received(Clock::now(), fresh);
        if (unreported > Bytes(0)) moved(unreported);
        bool ended_any = false;
        while (const auto ended = next_ended()) {
            ended_any = true;
            const auto [transfer, code] = *ended;
            const Transfer::Conclusion conclusion = transfer->conclude(code);
            if (conclusion.outcome == Outcome::refused) return conclusion.error;
            if (conclusion.outcome == Outcome::retry) {
                last_error = conclusion.error;
                again.push_back(transfer->job_number());
                back_off.failed(Clock::now(), conclusion.retry_after);
                continue;
            }
            back_off.succeeded();
            Result<void> taken = arrived(transfer->job_number());
            if (taken) {
                ++done;
                continue;
            }
            if (taken.error().kind != Failure::source) return taken;
            Job& job = jobs[transfer->job_number()];
            if (++job.wrong == most_wrong_answers)
                return taken.error().context(url.shown() + ": wrong " + std::to_string(job.wrong) + " times");
            job.farthest = 0;
            again.push_back(transfer->job_number());
        }
        if (ended_any && Clock::now() >= back_off.not_before()) continue;  // connections are free

        milliseconds wait = longest_poll;
        if (!again.empty() || next < jobs.size()) {
            const auto until = std::chrono::ceil<milliseconds>(back_off.not_before() - Clock::now());
            if (until.count() > 0) wait = std::min(wait, until);
        }
        curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
    return {};
}

Result<void> HttpFetcher::start(const Url& url, Job& job, std::size_t number) {
    if (idle_.empty()) {
        transfers_.push_back(Transfer::make(options_));
        if (!transfers_.back()) {
            transfers_.pop_back();
            return Error{Failure::failed, "libcurl cannot make a handle"};
        }
        idle_.push_back(transfers_.back().get());
    }
    Transfer* transfer = idle_.back();
    idle_.pop_back();
    transfer->prepare(url, job, number);
    active_.push_back(transfer);
    ++totals_.requests;
    if (const CURLMcode code = curl_multi_add_handle(multi_.get(), transfer->handle()); code != CURLM_OK)
        return Error{Failure::failed, std::string("libcurl: ") + curl_multi_strerror(code)};
    return {};
}

std::optional<std::pair<Transfer*, CURLcode>> HttpFetcher::next_ended() {
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi_.get(), &left);
    if (!message) return std::nullopt;
    // The message does not outlive the handle's removal.
    const CURLcode code = message->data.result;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    auto* transfer = static_cast<Transfer*>(owner);
    long redirects = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_REDIRECT_COUNT, &redirects);
    totals_.requests += static_cast<std::uint64_t>(redirects);
    totals_.received += Bytes(transfer->received());
    curl_multi_remove_handle(multi_.get(), transfer->handle());
    std::erase(active_, transfer);
    idle_.push_back(transfer);
    return std::pair(transfer, code);
}

// Ends what still runs: nothing writes to the callers' spans afterwards.
void HttpFetcher::abandon_active() {
    for (Transfer* transfer : active_) {
        totals_.received += Bytes(transfer->received());
        curl_multi_remove_handle(multi_.get(), transfer->handle());
        idle_.push_back(transfer);
    }
    active_.clear();
}

}  // namespace

std::unique_ptr<Fetcher> make_http_fetcher(const FetchOptions& options, const StopFlag& stop) {
    return std::make_unique<HttpFetcher>(options, stop);
}

}  // namespace regild::net
