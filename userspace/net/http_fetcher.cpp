// SPDX-License-Identifier: GPL-2.0-or-later
// The fetcher's one loop: libcurl's multi interface, a few connections, many requests in line.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <map>

#include "net/back_off.hpp"
#include "net/fetcher.hpp"
#include "net/patience.hpp"
#include "net/transfer.hpp"
#include "net/verifiers.hpp"

namespace regild::net {
namespace {

using Clock = Patience::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t max_connections = 16;
// Small requests need more at a time, or each round of them waits for the way there and back: those under way
// have at most so many bytes on average. Large ones fill the line as they are, and come sooner over a
// connection that was used than over a new one, which begins slowly.
constexpr std::size_t max_small_connections = 64;
constexpr std::uint64_t max_small = 64 << 10;
// Over HTTP/2 so many as libcurl sends over one connection, while all under way have no more than so many
// bytes.
constexpr std::size_t max_streams = 100;
constexpr Bytes max_in_streams = MiB(4);
// To the server that redirects, and to the one that it redirects to.
constexpr long most_kept_alive = 2 * max_small_connections;
// How long the loop may not look at the stop flag.
constexpr milliseconds longest_poll{200};

// One fetch: what is still to come, and how it goes.
struct Fetch {
    Fetch(const Url& from, Ranges& wanted, seconds patience_seconds, Verifiers& threads)
        : url(from),
          ranges(wanted),
          verifiers(threads),
          unheld(Clock::now()),
          patient_now(Clock::now()),
          patience(patience_seconds, patient_now),
          back_off(milliseconds(patience_seconds) / 2) {}
    const Url& url;
    Ranges& ranges;
    Verifiers& verifiers;
    UnheldTime unheld;
    Clock::time_point patient_now;  // of the patience's clock
    Patience patience;
    BackOff back_off;
    std::map<std::size_t, Job> jobs;  // that have not arrived, by the number of the range
    std::deque<std::size_t> again;    // of them: to try again; first, so that requests stay ascending
    std::optional<Error> last_error;
};

// There are no ranges of what is fetched whole.
class NoRanges final : public Ranges {
    std::optional<Range> next() override { return std::nullopt; }
    Result<void> arrived(std::size_t) override { return {}; }
};

class HttpFetcher final : public Fetcher {
  public:
    HttpFetcher(const FetchOptions& options, const StopFlag& stop)
        : options_(options), limit_(options.limit_rate), stop_(&stop) {}
    ~HttpFetcher() override { abandon_active(); }
    HttpFetcher(const HttpFetcher&) = delete;
    HttpFetcher& operator=(const HttpFetcher&) = delete;

    Result<std::string> get(const Url& url, std::size_t limit) override;
    Result<void> get_ranges(const Url& url, Ranges& ranges) override;
    Totals totals() const override;
    void allow(std::optional<Bytes> most) override { allowance_.set(most); }

  private:
    Result<void> run(const Url& url, Ranges& ranges, const std::optional<Job>& whole);
    Result<void> loop(Fetch& fetch);
    Result<void> check_patience(Fetch& fetch);
    Result<void> start_some(Fetch& fetch);
    bool may_start_another() const;
    // False: what may come of it is more than is left, and others are to end first.
    Result<bool> start(const Url& url, Job& job, std::size_t number);
    void count_progress(Fetch& fetch);
    Result<bool> take_ended(Fetch& fetch);
    Result<void> take_verdict(Fetch& fetch, const Verifiers::Verdict& verdict);
    void fall_back(Fetch& fetch);
    CURLM* multi() const { return plain_ ? plain_multi_.get() : multi_.get(); }
    // Lets go on what the limit has held, as far as it allows. Whether it still holds something.
    bool resume_held();
    // The next transfer that ended, taken out of the multi handle.
    std::optional<std::pair<Transfer*, CURLcode>> next_ended();
    void end(Transfer* transfer);
    void abandon_active();

    FetchOptions options_;
    RateLimit limit_;
    Allowance allowance_;  // of which what is under way has taken all that may come
    const StopFlag* stop_;
    Totals totals_;
    // The multi handle keeps the connections alive; the transfers' handles must be gone before it.
    MultiHandle multi_;
    // One of its own for plain connections: of a shared one libcurl would not let go.
    MultiHandle plain_multi_;
    std::atomic<bool> plain_ = false;  // something went wrong over HTTP/2: read by threads that wake the loop
    bool went_wrong_ = false;          // anything: only the few connections are asked of a server in trouble
    std::optional<bool> multiplexes_;  // whether answers come over HTTP/2; nothing: none has come
    std::vector<std::unique_ptr<Transfer>> transfers_;
    std::vector<Transfer*> idle_;
    std::vector<Transfer*> active_;
};

// "20 B in the last 10 s"
std::string lately(Bytes received, seconds time) {
    return format_size(received) + " in the last " + std::to_string(time.count()) + " s";
}

Result<std::string> HttpFetcher::get(const Url& url, std::size_t limit) {
    std::string text;
    NoRanges none;
    Job job;
    job.text = &text;
    job.limit = limit;
    const Result<void> fetched = run(url, none, job);
    if (!fetched) return fetched.error();
    return text;
}

Result<void> HttpFetcher::get_ranges(const Url& url, Ranges& ranges) {
    return run(url, ranges, std::nullopt);
}

Result<void> HttpFetcher::run(const Url& url, Ranges& ranges, const std::optional<Job>& whole) {
    if (!multi_) {
        static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
        if (global == CURLE_OK) plain_multi_.reset(curl_multi_init());
        if (plain_multi_) multi_.reset(curl_multi_init());
        if (!multi_) return Error{Failure::failed, "libcurl cannot be initialized"};
        for (CURLM* each : {multi_.get(), plain_multi_.get()}) {
            curl_multi_setopt(each, CURLMOPT_MAXCONNECTS, most_kept_alive);
            curl_multi_setopt(each, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(max_small_connections));
        }
    }
    Verifiers verifiers(ranges, [this] { curl_multi_wakeup(multi()); });
    Fetch fetch(url, ranges, seconds(options_.patience_seconds), verifiers);
    if (whole) {
        fetch.jobs.emplace(0, *whole);
        fetch.again.push_back(0);
    }
    Result<void> result = loop(fetch);
    abandon_active();
    while (const std::optional<Verifiers::Verdict> verdict = verifiers.wait())
        if (Result<void> taken = take_verdict(fetch, *verdict); result && !taken) result = taken;
    return result;
}

Result<void> HttpFetcher::loop(Fetch& fetch) {
    for (;;) {
        if (stop_->requested()) return Error{Failure::interrupted, "interrupted"};
        while (const std::optional<Verifiers::Verdict> verdict = fetch.verifiers.take())
            if (Result<void> taken = take_verdict(fetch, *verdict); !taken) return taken;
        if (Result<void> patient = check_patience(fetch); !patient) return patient;
        if (Result<void> started = start_some(fetch); !started) return started;
        if (fetch.jobs.empty()) return {};

        int running = 0;
        if (const CURLMcode code = curl_multi_perform(multi(), &running); code != CURLM_OK)
            return Error{Failure::failed, std::string("libcurl: ") + curl_multi_strerror(code)};
        count_progress(fetch);
        const Result<bool> ended_any = take_ended(fetch);
        if (!ended_any) return ended_any.error();
        const Clock::time_point now = Clock::now();
        if (*ended_any && now >= fetch.back_off.not_before()) continue;  // connections are free
        milliseconds wait = longest_poll;
        if (now < fetch.back_off.not_before())
            wait = std::min(wait, std::chrono::ceil<milliseconds>(fetch.back_off.not_before() - now));
        if (std::ranges::any_of(active_, &Transfer::is_held))
            wait = std::clamp(std::chrono::ceil<milliseconds>(limit_.next() - now), milliseconds(0), wait);
        curl_multi_poll(multi(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    }
}

Result<void> HttpFetcher::check_patience(Fetch& fetch) {
    Patience& patience = fetch.patience;
    // With nothing asked for it is not the server that takes long, but who verifies, and writes to a slow
    // disk.
    const bool held = resume_held() || (active_.empty() && fetch.again.empty());
    const Clock::time_point now = fetch.patient_now = fetch.unheld.at(Clock::now(), held);
    if (patience.is_over(now)) {
        const Error why = fetch.last_error.value_or(
            Error{Failure::network, fetch.url.shown() + ": the server is too slow"});
        return why.context("gave up: " +
                           lately(patience.received_lately(now, patience.window()), patience.window()));
    }
    if (!options_.observer || !patience.wears_thin(now)) return {};
    const seconds half = std::chrono::ceil<seconds>(milliseconds(patience.window()) / 2);
    const std::string why = fetch.last_error ? fetch.last_error->message : fetch.url.shown();
    options_.observer->event(why + ": " + lately(patience.received_lately(now, half), half) +
                             ", giving up in " + std::to_string(half.count()) + " s");
    return {};
}

bool HttpFetcher::resume_held() {
    for (Transfer* transfer : active_)
        if (limit_.allows(Clock::now())) transfer->resume();
    return std::ranges::any_of(active_, &Transfer::is_held);
}

Result<void> HttpFetcher::start_some(Fetch& fetch) {
    while (may_start_another() && Clock::now() >= fetch.back_off.not_before()) {
        if (fetch.again.empty()) {
            const std::optional<Range> range = fetch.ranges.next();
            if (!range) return {};
            Job& job = fetch.jobs[range->number];
            job.range = ByteRange{range->offset, Bytes(range->into.size())};
            job.into = range->into;
            fetch.again.push_back(range->number);
        }
        const std::size_t number = fetch.again.front();
        const Result<bool> started = start(fetch.url, fetch.jobs.at(number), number);
        if (!started) return started.error();
        if (!*started) return {};
        fetch.again.pop_front();
    }
    return {};
}

bool HttpFetcher::may_start_another() const {
    if (active_.size() < limit_.connections(max_connections)) return true;
    if (!multiplexes_ || went_wrong_ || limit_.is_set()) return false;
    if (active_.size() >= (*multiplexes_ ? max_streams : max_small_connections)) return false;
    Bytes under_way;
    for (const Transfer* transfer : active_)
        under_way += transfer->job().length();
    return under_way < (*multiplexes_ ? max_in_streams : Bytes(max_small * active_.size()));
}

void HttpFetcher::count_progress(Fetch& fetch) {
    Bytes fresh;
    Bytes unreported;
    for (Transfer* transfer : active_) {
        fresh += transfer->take_progress();
        Job& job = transfer->job();
        unreported += Bytes(job.farthest - std::min(job.farthest, job.reported));
        job.reported = std::max(job.reported, job.farthest);
    }
    fetch.patience.received(fetch.patient_now, fresh);
    if (unreported > Bytes(0)) fetch.ranges.moved(unreported);
}

// Whether any has ended.
Result<bool> HttpFetcher::take_ended(Fetch& fetch) {
    bool any = false;
    while (const auto ended = next_ended()) {
        any = true;
        const auto [transfer, code] = *ended;
        const Transfer::Conclusion conclusion = transfer->conclude(code);
        if (conclusion.outcome == Outcome::refused) return conclusion.error;
        if (conclusion.outcome == Outcome::retry) {
            fetch.last_error = conclusion.error;
            fetch.again.push_back(transfer->job_number());
            fetch.back_off.failed(Clock::now(), conclusion.retry_after);
            fall_back(fetch);
            continue;
        }
        fetch.back_off.succeeded();
        if (transfer->job().range)
            fetch.verifiers.submit(transfer->job_number());
        else
            fetch.jobs.erase(transfer->job_number());
    }
    return any;
}

Result<void> HttpFetcher::take_verdict(Fetch& fetch, const Verifiers::Verdict& verdict) {
    Result<void> taken = verdict.result ? fetch.ranges.arrived(verdict.number) : verdict.result;
    if (taken) {
        fetch.jobs.erase(verdict.number);
        return taken;
    }
    if (taken.error().kind != Failure::source) return taken;
    Job& job = fetch.jobs.at(verdict.number);
    if (++job.wrong >= fetch.ranges.most_wrong())
        return taken.error().context(fetch.url.shown() + ": wrong " + std::to_string(job.wrong) +
                                     (job.wrong == 1 ? " time" : " times"));
    job.farthest = 0;
    fetch.again.push_back(verdict.number);
    fall_back(fetch);
    return {};
}

// A connection that is shared and stalls, or brings wrong bytes, does so for all its requests. From the first
// failure on there are only plain ones, and what is under way is asked for again over them.
void HttpFetcher::fall_back(Fetch& fetch) {
    went_wrong_ = true;
    if (plain_ || multiplexes_ == false || fetch.url.scheme() != "https") return;
    for (const Transfer* transfer : active_)
        fetch.again.push_back(transfer->job_number());
    abandon_active();
    plain_ = true;
    multiplexes_ = false;
}

Result<bool> HttpFetcher::start(const Url& url, Job& job, std::size_t number) {
    if (idle_.empty()) {
        transfers_.push_back(Transfer::make(options_, limit_, allowance_));
        if (!transfers_.back()) {
            transfers_.pop_back();
            return Error{Failure::failed, "libcurl cannot make a handle"};
        }
        idle_.push_back(transfers_.back().get());
    }
    if (!url.is_local() && !allowance_.take(job.length())) {
        if (active_.empty()) return allowance_.exceeded(url.shown());
        return false;
    }
    Transfer* transfer = idle_.back();
    idle_.pop_back();
    transfer->prepare(url, job, number, plain_ || limit_.is_set());
    active_.push_back(transfer);
    ++totals_.requests;
    if (const CURLMcode code = curl_multi_add_handle(multi(), transfer->handle()); code != CURLM_OK)
        return Error{Failure::failed, std::string("libcurl: ") + curl_multi_strerror(code)};
    return true;
}

std::optional<std::pair<Transfer*, CURLcode>> HttpFetcher::next_ended() {
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi(), &left);
    if (!message) return std::nullopt;
    // The message does not outlive the handle's removal.
    const CURLcode code = message->data.result;
    void* owner = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
    auto* transfer = static_cast<Transfer*>(owner);
    long redirects = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_REDIRECT_COUNT, &redirects);
    totals_.requests += static_cast<std::uint64_t>(redirects);
    if (const auto shared = transfer->was_shared(); shared && multiplexes_ != true) multiplexes_ = shared;
    end(transfer);
    std::erase(active_, transfer);
    return std::pair(transfer, code);
}

void HttpFetcher::end(Transfer* transfer) {
    const Bytes received(transfer->received());
    totals_.received += received;
    if (transfer->is_http()) allowance_.give_back(transfer->job().length() - received);
    curl_multi_remove_handle(multi(), transfer->handle());
    idle_.push_back(transfer);
}

// Ends what still runs: nothing writes to the callers' spans afterwards.
void HttpFetcher::abandon_active() {
    for (Transfer* transfer : active_)
        end(transfer);
    active_.clear();
}

Totals HttpFetcher::totals() const {
    Totals totals = totals_;
    totals.over_network = allowance_.taken();
    return totals;
}

}  // namespace

std::unique_ptr<Fetcher> make_http_fetcher(const FetchOptions& options, const StopFlag& stop) {
    return std::make_unique<HttpFetcher>(options, stop);
}

}  // namespace regild::net
