// SPDX-License-Identifier: GPL-2.0-or-later
// One request at a time over one libcurl easy handle, which is used again for the next one.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "net/allowance.hpp"
#include "net/curl_handle.hpp"
#include "net/fetcher.hpp"
#include "net/rate_limit.hpp"
#include "net/response.hpp"

namespace regild::net {

// What is to be fetched: a range into `into`, or the whole resource into `text`.
struct Job {
    std::optional<ByteRange> range;
    ByteSpan into;
    std::string* text = nullptr;
    std::size_t limit = 0;     // of the text
    std::size_t farthest = 0;  // the most body bytes that any try received since the last wrong answer
    std::size_t reported = 0;  // of them, to Fetcher::Moved
    unsigned expired = 0;      // how often what a redirect led to was refused
    unsigned wrong = 0;        // how often all of it came, and was not what was asked for

    // What an answer may bring.
    Bytes length() const { return Bytes(range ? into.size() : limit); }
};

enum class Outcome { done, retry, refused };

class Transfer {
  public:
    // Nothing where libcurl cannot make a handle. Limit and allowance outlive it.
    static std::unique_ptr<Transfer> make(const FetchOptions& options, RateLimit& limit,
                                          Allowance& allowance);

    // Prepares the handle for `job` at `url`. `plain`: over HTTP/1.1 in any case.
    void prepare(const Url& url, Job& job, std::size_t job_number, bool plain);
    // After libcurl reported the end of the transfer.
    struct Conclusion {
        Outcome outcome = Outcome::done;
        Error error;
        std::chrono::seconds retry_after{0};  // at least
    };
    Conclusion conclude(CURLcode code) const;

    CURL* handle() const { return easy_.get(); }
    Job& job() const { return *job_; }
    std::size_t job_number() const { return job_number_; }
    std::size_t received() const { return received_; }
    bool is_http() const { return is_http_; }
    // Whether it waits until the limit allows more; then resume() lets it go on.
    bool is_held() const { return held_; }
    void resume();
    // Whether its answer came over HTTP/2; nothing: none came. For one that has ended.
    std::optional<bool> was_shared() const;
    // How much farther than all tries before it this one has got since the last call.
    Bytes take_progress();

  private:
    Transfer(RateLimit& limit, Allowance& allowance) : limit_(limit), allowance_(allowance) {}
    static int on_progress(void* transfer, curl_off_t all, curl_off_t received, curl_off_t, curl_off_t);
    static std::size_t on_header(char* line, std::size_t size, std::size_t count, void* transfer);
    static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* transfer);
    bool take_header(std::string_view line);
    ResponseHead head() const;
    std::string header(const char* name) const;
    bool take_body(std::string_view bytes);

    // Sends what is secret to `origin` if it is one of those that may have it.
    void choose_headers(const std::string& origin);
    bool stays_at_origin() const;

    EasyHandle easy_;
    HeaderList headers_;
    HeaderList headers_with_secrets_;
    std::vector<std::string> trusted_origins_;
    std::string origin_;  // of the request as it was asked for
    char curl_error_[CURL_ERROR_SIZE] = {};
    bool is_http_ = true;
    std::string shown_url_;
    Job* job_ = nullptr;
    std::size_t job_number_ = 0;
    std::size_t received_ = 0;
    std::size_t progress_ = 0;
    Judgement judgement_;
    RateLimit& limit_;
    Allowance& allowance_;
    Bytes passed_by_;  // of the redirect's body that is being received
    bool held_ = false;
    bool too_long_ = false;
    bool is_over_allowance_ = false;
};

}  // namespace regild::net
