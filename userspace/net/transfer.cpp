// SPDX-License-Identifier: GPL-2.0-or-later
// The head of each response is judged before any of its body is taken; the body never leaves the span that
// the caller gave.
#include "net/transfer.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/transport_options.hpp"

namespace regild::net {
namespace {

constexpr long max_redirects = 5;
constexpr long receive_buffer_size = 128 << 10;
// A connection is lost when nothing has come from the machine at its other end for so long, neither word that
// what was sent is there nor an answer to a probe. When the address of this machine has changed, nothing else
// tells. The machine of a server that takes its time answers probes.
constexpr unsigned lost_after_ms = 5000;
constexpr long first_probe_seconds = 2;
constexpr long probe_seconds = 1;
// So often a redirect is asked for anew: what it leads to is good for a while where the URL is signed.
constexpr unsigned most_expired = 4;

// Errors of the network, which may pass. All others stay however often one asks.
bool may_pass(CURLcode code) {
    switch (code) {
        case CURLE_COULDNT_RESOLVE_PROXY:
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_CONNECT:
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_PARTIAL_FILE:
        case CURLE_OPERATION_TIMEDOUT:
        case CURLE_SSL_CONNECT_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
            return true;
        default:
            return false;
    }
}

// The same for what went wrong with a SOCKS proxy: it restarts, or its own network is away. What it may not
// or cannot do stays.
bool proxy_error_may_pass(long proxy_error) {
    switch (proxy_error) {
        case CURLPX_CLOSED:
        case CURLPX_RECV_ADDRESS:
        case CURLPX_RECV_AUTH:
        case CURLPX_RECV_CONNECT:
        case CURLPX_RECV_REQACK:
        case CURLPX_SEND_AUTH:
        case CURLPX_SEND_CONNECT:
        case CURLPX_SEND_REQUEST:
        case CURLPX_RESOLVE_HOST:
        case CURLPX_REPLY_CONNECTION_REFUSED:
        case CURLPX_REPLY_GENERAL_SERVER_FAILURE:
        case CURLPX_REPLY_HOST_UNREACHABLE:
        case CURLPX_REPLY_NETWORK_UNREACHABLE:
        case CURLPX_REPLY_TTL_EXPIRED:
            return true;
        default:
            return false;
    }
}

// Where it cannot be set the low speed limit ends what is lost, later.
int on_socket(void* /*unused*/, curl_socket_t socket, curlsocktype /*unused*/) {
    setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_after_ms, sizeof(lost_after_ms));
    return CURL_SOCKOPT_OK;
}

// What object stores say of a signed URL whose time is over.
bool may_have_expired(long status) {
    return status == 400 || status == 401 || status == 403 || status == 410;
}

}  // namespace

std::unique_ptr<Transfer> Transfer::make(const FetchOptions& options, RateLimit& limit,
                                         Allowance& allowance) {
    std::unique_ptr<Transfer> transfer(new Transfer(limit, allowance));
    transfer->easy_.reset(curl_easy_init());
    transfer->headers_.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
    transfer->headers_with_secrets_.reset(curl_slist_append(nullptr, "Accept-Encoding: identity"));
    CURL* easy = transfer->easy_.get();
    if (!easy || !transfer->headers_ || !transfer->headers_with_secrets_) return nullptr;
    transfer->trusted_origins_ = options.transport.credentials.origins;
    for (const std::string& header : options.transport.credentials.headers)
        if (!curl_slist_append(transfer->headers_with_secrets_.get(), header.c_str())) return nullptr;
    // Half of the patience: a connection that stalls is replaced once before the patience ends.
    const long stall_seconds = std::max(1L, static_cast<long>(options.patience_seconds) / 2);
    const auto set = [easy](CURLoption option, auto value) {
        return curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    const bool all_set =
        set_transport(easy, options.transport) && set(CURLOPT_NOSIGNAL, 1L) &&
        set(CURLOPT_PROTOCOLS_STR, "http,https,file") && set(CURLOPT_FOLLOWLOCATION, 1L) &&
        set(CURLOPT_MAXREDIRS, max_redirects) && set(CURLOPT_BUFFERSIZE, receive_buffer_size) &&
        set(CURLOPT_CONNECTTIMEOUT, stall_seconds) && set(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
        set(CURLOPT_LOW_SPEED_TIME, stall_seconds) && set(CURLOPT_TCP_KEEPALIVE, 1L) &&
        set(CURLOPT_TCP_KEEPIDLE, first_probe_seconds) && set(CURLOPT_TCP_KEEPINTVL, probe_seconds) &&
        set(CURLOPT_SOCKOPTFUNCTION, &on_socket) && set(CURLOPT_USERAGENT, "regild/" REGILD_VERSION) &&
        set(CURLOPT_ERRORBUFFER, static_cast<char*>(transfer->curl_error_)) &&
        set(CURLOPT_HEADERFUNCTION, &Transfer::on_header) &&
        set(CURLOPT_HEADERDATA, static_cast<void*>(transfer.get())) &&
        set(CURLOPT_WRITEFUNCTION, &Transfer::on_body) &&
        set(CURLOPT_WRITEDATA, static_cast<void*>(transfer.get())) && set(CURLOPT_NOPROGRESS, 0L) &&
        set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress) &&
        set(CURLOPT_XFERINFODATA, static_cast<void*>(transfer.get())) &&
        set(CURLOPT_PRIVATE, static_cast<void*>(transfer.get()));
    return all_set ? std::move(transfer) : nullptr;
}

void Transfer::prepare(const Url& url, Job& job, std::size_t job_number, bool plain) {
    job_ = &job;
    job_number_ = job_number;
    if (job.text) job.text->clear();
    received_ = 0;
    progress_ = 0;
    passed_by_ = Bytes(0);
    too_long_ = false;
    is_over_allowance_ = false;
    held_ = false;
    judgement_ = {};
    curl_error_[0] = '\0';
    is_http_ = url.scheme() != "file";
    shown_url_ = url.shown();
    origin_ = url.origin();
    choose_headers(origin_);
    curl_easy_setopt(handle(), CURLOPT_URL, url.with_credentials().c_str());
    curl_easy_setopt(handle(), CURLOPT_REDIR_PROTOCOLS_STR, url.scheme().c_str());
    // A request that waits for room under a limit would hold up all that share its connection.
    const bool may_share = url.scheme() == "https" && !plain;
    curl_easy_setopt(handle(), CURLOPT_HTTP_VERSION,
                     static_cast<long>(may_share ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    // What spoilt an answer may sit at the other end of the connection that brought it.
    curl_easy_setopt(handle(), CURLOPT_FRESH_CONNECT, job.wrong > 0 ? 1L : 0L);
    if (job.range) {
        const std::uint64_t first = job.range->offset.count();
        const std::string range =
            std::to_string(first) + "-" + std::to_string(first + job.range->length.count() - 1);
        curl_easy_setopt(handle(), CURLOPT_RANGE, range.c_str());
    } else {
        curl_easy_setopt(handle(), CURLOPT_RANGE, nullptr);
    }
}

// What a redirect has for a body goes to nobody else.
int Transfer::on_progress(void* transfer, curl_off_t /*unused*/, curl_off_t received, curl_off_t /*unused*/,
                          curl_off_t /*unused*/) {
    auto* const self = static_cast<Transfer*>(transfer);
    if (self->judgement_.verdict != Verdict::pass_by) return 0;
    const Bytes before = std::exchange(self->passed_by_, Bytes(static_cast<std::uint64_t>(received)));
    if (self->passed_by_ <= before) return 0;  // or the next answer begins
    self->is_over_allowance_ = !self->allowance_.take(self->passed_by_ - before);
    return self->is_over_allowance_ ? 1 : 0;
}

std::size_t Transfer::on_header(char* line, std::size_t size, std::size_t count, void* transfer) {
    const std::size_t length = size * count;
    return static_cast<Transfer*>(transfer)->take_header({line, length}) ? length : 0;
}

std::size_t Transfer::on_body(char* bytes, std::size_t size, std::size_t count, void* transfer) {
    const std::size_t length = size * count;
    auto* const self = static_cast<Transfer*>(transfer);
    const RateLimit::Clock::time_point now = RateLimit::Clock::now();
    // libcurl gives the same bytes again; of a file it cannot.
    if (self->is_http_ && !self->limit_.allows(now)) {
        self->held_ = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (self->is_http_) self->limit_.received(now, Bytes(length));
    return self->take_body({bytes, length}) ? length : 0;
}

// False ends the transfer: libcurl then reports CURLE_WRITE_ERROR and conclude() says why.
bool Transfer::take_header(std::string_view line) {
    if (!is_http_) return true;
    const bool head_is_complete = line == "\r\n" || line == "\n";
    if (!head_is_complete) return true;
    judgement_ = judge(head(), job_->range);
    // libcurl would take them along to another host, all but Authorization. It takes those that are set when
    // it makes the next request.
    if (head().has_location && !stays_at_origin()) choose_headers("");
    return judgement_.verdict == Verdict::accept || judgement_.verdict == Verdict::pass_by;
}

void Transfer::choose_headers(const std::string& origin) {
    const bool trusted = std::ranges::find(trusted_origins_, origin) != trusted_origins_.end();
    curl_easy_setopt(handle(), CURLOPT_HTTPHEADER, (trusted ? headers_with_secrets_ : headers_).get());
}

// Whether the redirect that has come does. Of several headers nobody knows which one libcurl follows.
bool Transfer::stays_at_origin() const {
    curl_header* location = nullptr;
    char* effective = nullptr;
    constexpr int last_response = -1;
    if (curl_easy_header(handle(), "Location", 0, CURLH_HEADER, last_response, &location) != CURLHE_OK ||
        location->amount != 1 ||
        curl_easy_getinfo(easy_.get(), CURLINFO_EFFECTIVE_URL, &effective) != CURLE_OK || !effective)
        return false;
    const Result<Url> from = Url::parse(effective);
    return from && from->origin() == origin_ && from->origin_of_redirect(location->value) == origin_;
}

ResponseHead Transfer::head() const {
    ResponseHead head;
    curl_easy_getinfo(handle(), CURLINFO_RESPONSE_CODE, &head.status);
    head.has_location = !header("Location").empty();
    head.content_encoding = header("Content-Encoding");
    head.content_range = header("Content-Range");
    return head;
}

// Of the response that is being received, not of those that led to it.
std::string Transfer::header(const char* name) const {
    constexpr int last_response = -1;
    std::string values;
    curl_header* found = nullptr;
    for (std::size_t i = 0;
         curl_easy_header(handle(), name, i, CURLH_HEADER, last_response, &found) == CURLHE_OK; ++i) {
        const std::string value(found->value);
        if (values.empty())
            values = value;
        else if (values != value)
            values += ", " + value;
    }
    return values;
}

bool Transfer::take_body(std::string_view bytes) {
    if (bytes.size() > job_->length().count() - received_) {
        too_long_ = true;
        return false;
    }
    if (job_->range) {
        std::memcpy(job_->into.data() + received_, bytes.data(), bytes.size());
    } else {
        *job_->text += bytes;
    }
    received_ += bytes.size();
    if (received_ > job_->farthest) {
        progress_ += received_ - job_->farthest;
        job_->farthest = received_;
    }
    return true;
}

// May end in being held again.
void Transfer::resume() {
    if (std::exchange(held_, false)) curl_easy_pause(handle(), CURLPAUSE_CONT);
}

std::optional<bool> Transfer::was_shared() const {
    long version = CURL_HTTP_VERSION_NONE;
    curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_VERSION, &version);
    if (version == CURL_HTTP_VERSION_NONE) return std::nullopt;
    return version == CURL_HTTP_VERSION_2_0;
}

Bytes Transfer::take_progress() {
    return Bytes(std::exchange(progress_, 0));
}

Transfer::Conclusion Transfer::conclude(CURLcode code) const {
    std::string where = shown_url_;
    char* effective = nullptr;
    if (curl_easy_getinfo(easy_.get(), CURLINFO_EFFECTIVE_URL, &effective) == CURLE_OK && effective) {
        const Result<Url> final = Url::parse(effective);
        const std::string shown = final ? final->shown() : "another kind of URL";
        if (shown != shown_url_) where += " (redirected to " + shown + ")";
    }
    const auto error = [&where](Failure kind, const std::string& what) {
        return Error{kind, where + ": " + what};
    };
    if (is_over_allowance_) return {Outcome::refused, allowance_.exceeded(shown_url_)};
    if (judgement_.verdict == Verdict::retry) {
        curl_off_t retry_after = 0;
        curl_easy_getinfo(handle(), CURLINFO_RETRY_AFTER, &retry_after);
        return {Outcome::retry, error(Failure::network, judgement_.reason),
                std::chrono::seconds(retry_after)};
    }
    if (judgement_.verdict == Verdict::refuse) {
        long redirects = 0;
        curl_easy_getinfo(handle(), CURLINFO_REDIRECT_COUNT, &redirects);
        const bool again = redirects > 0 && may_have_expired(head().status) && ++job_->expired < most_expired;
        return {again ? Outcome::retry : Outcome::refused, error(Failure::source, judgement_.reason)};
    }
    if (too_long_) {
        const std::string what = job_->range ? "the server sent more than the range that was asked for"
                                             : "it is longer than the " + std::to_string(job_->limit) +
                                                   " bytes that such a file may have";
        return {Outcome::refused, error(Failure::source, what)};
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL && where != shown_url_)
        return {Outcome::refused,
                error(Failure::source, "the server redirects to another kind of URL, which is refused")};
    if (code == CURLE_TOO_MANY_REDIRECTS)
        return {Outcome::refused, error(Failure::source, "the server redirects too often")};
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return {Outcome::refused,
                error(Failure::source, std::string("the server's certificate is not accepted (") +
                                           static_cast<const char*>(curl_error_) +
                                           "): check the clock and the CA certificates")};
    long tunnel_status = 0;
    curl_easy_getinfo(handle(), CURLINFO_HTTP_CONNECTCODE, &tunnel_status);
    if (code != CURLE_OK && tunnel_status >= 400 && tunnel_status < 500 && tunnel_status != 408 &&
        tunnel_status != 429)
        return {Outcome::refused,
                error(Failure::source, "the proxy answered " + std::to_string(tunnel_status) +
                                           ": check its user name and password, and what it lets pass")};
    if (code != CURLE_OK) {
        const char* detail =
            curl_error_[0] != '\0' ? static_cast<const char*>(curl_error_) : curl_easy_strerror(code);
        if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE)
            return {Outcome::refused,
                    error(Failure::usage, std::string(detail) + ": check the files of TLS")};
        long proxy_error = CURLPX_OK;
        curl_easy_getinfo(handle(), CURLINFO_PROXY_ERROR, &proxy_error);
        if (may_pass(code) || (code == CURLE_PROXY && proxy_error_may_pass(proxy_error)))
            return {Outcome::retry, error(Failure::network, detail)};
        return {Outcome::refused, error(Failure::source, detail)};
    }
    if (judgement_.verdict == Verdict::pass_by)
        return {Outcome::refused, error(Failure::source, "the server answered " +
                                                             std::to_string(head().status) + " and no more")};
    if (job_->range && received_ < job_->into.size()) {
        const std::string what = std::to_string(received_) + " bytes came where " +
                                 std::to_string(job_->into.size()) + " were asked for: the file is too short";
        // A file that is too short stays so; over HTTP a cache may have lost the rest.
        return {is_http_ ? Outcome::retry : Outcome::refused, error(Failure::source, what)};
    }
    return {};
}

}  // namespace regild::net
