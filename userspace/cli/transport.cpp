// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/transport.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/read_file.hpp"
#include "cli/configuration_file.hpp"
#include "format/request_headers.hpp"
#include "store/mirrors.hpp"

namespace regild::cli {
namespace {

struct TransportOption {
    Option option;
    std::string format::Configuration::*key;
};

constexpr Option proxy_option{"proxy", "URL", "through this proxy (http, https, socks5 or socks5h)"};

constexpr Option bearer_token_option{"bearer-token-file", "FILE", "send the server the token in this file"};
constexpr Option headers_option{"headers-file", "FILE", "send it these headers, a 'Name: value' a line"};

constexpr std::array transport_options{
    TransportOption{{"tls-ca", "FILE", "trust these CA certificates and no others (PEM)"},
                    &format::Configuration::tls_ca},
    TransportOption{{"tls-cert", "FILE", "show the server this certificate (PEM)"},
                    &format::Configuration::tls_cert},
    TransportOption{{"tls-key", "FILE", "its private key (default: in the same file)"},
                    &format::Configuration::tls_key},
    TransportOption{proxy_option, &format::Configuration::proxy},
    TransportOption{bearer_token_option, &format::Configuration::bearer_token_file},
    TransportOption{headers_option, &format::Configuration::headers_file}};

// libcurl would find out only when it is needed.
Result<void> check_tls_files(const format::Configuration& configuration) {
    if (!configuration.tls_key.empty() && configuration.tls_cert.empty())
        return Error{Failure::usage, "tls_key is given, but no tls_cert that it belongs to"};
    const bool key_in_cert = configuration.tls_key.empty();
    for (const auto& [name, path, is_secret] : {std::tuple("tls_ca", configuration.tls_ca, false),
                                                std::tuple("tls_cert", configuration.tls_cert, key_in_cert),
                                                std::tuple("tls_key", configuration.tls_key, true)}) {
        if (path.empty()) continue;
        const Result<std::string> read = is_secret ? read_secret(path, 1) : read_file(path, 1);
        if (!read) return read.error().as(Failure::usage).context(name);
    }
    return {};
}

constexpr Option limit_rate_option{"limit-rate", "SIZE", "fetch no more than this a second, such as 500K"};

Result<Bytes> rate_of(const std::string& text) {
    Result<Bytes> rate = parse_size(text);
    if (!rate) return rate.error().context("--limit-rate");
    if (*rate < format::least_limit_rate) return Error{Failure::usage, "--limit-rate must be 16K or more"};
    return rate;
}

// Whether `source` is at a server of the configuration's.
bool is_of_sources(const std::string& source, const format::Configuration& configuration) {
    const Result<net::Url> url = net::Url::parse(source);
    const Result<std::vector<net::Url>> sources = sources_of(configuration);
    return url && sources && std::ranges::any_of(*sources, [&](const net::Url& each) {
               return each.origin() == url->origin();
           });
}

// What `parse` makes of the secret in the file that is the value of `key`.
template <class Parsed>
Result<Parsed> parse_secret(const std::string& key, const std::string& path, std::size_t limit,
                            Result<Parsed> (*parse)(std::string_view)) {
    const Result<std::string> text = read_secret(path, limit);
    if (!text) return text.error().context(key + " " + path);
    Result<Parsed> parsed = parse(*text);
    if (!parsed) return parsed.error().context(key + " " + path);
    return parsed;
}

// To be sent to the sources of the configuration.
Result<net::Credentials> read_credentials(const format::Configuration& configuration) {
    net::Credentials credentials;
    if (!configuration.headers_file.empty()) {
        Result<std::vector<std::string>> headers =
            parse_secret("headers_file", configuration.headers_file, format::max_headers_size + 1,
                         &format::parse_request_headers);
        if (!headers) return headers.error();
        credentials.headers = *std::move(headers);
    }
    if (const std::string& path = configuration.bearer_token_file; !path.empty()) {
        Result<std::string> header =
            parse_secret("bearer_token_file", path, format::max_token_size + 2, &format::parse_bearer_token);
        if (!header) return header.error();
        if (std::ranges::any_of(credentials.headers, format::is_authorization))
            return Error{Failure::usage,
                         "bearer_token_file " + path + ": headers_file has an Authorization, too"};
        credentials.headers.push_back(*std::move(header));
    }
    if (credentials.headers.empty()) return credentials;
    const Result<std::vector<net::Url>> sources = sources_of(configuration);
    if (!sources) return sources.error();
    for (const net::Url& source : *sources)
        credentials.origins.push_back(source.origin());
    return credentials;
}

}  // namespace

std::vector<Option> with_transport_options(std::vector<Option> first, const std::vector<Option>& last) {
    for (const TransportOption& each : transport_options)
        first.push_back(each.option);
    first.push_back(limit_rate_option);
    first.insert(first.end(), last.begin(), last.end());
    return first;
}

Result<void> take_transport(const Arguments& arguments, format::Configuration& into) {
    const bool has_secrets = !into.bearer_token_file.empty() || !into.headers_file.empty();
    if (has_secrets && arguments.has(source_option.name) &&
        !is_of_sources(arguments.value(source_option.name), into)) {
        if (!arguments.has(bearer_token_option.name) && !arguments.has(headers_option.name))
            return Error{Failure::usage,
                         "the token and headers of the configuration are for its own servers: give --" +
                             std::string(bearer_token_option.name) + " or --" + headers_option.name +
                             " for another one"};
        into.bearer_token_file.clear();
        into.headers_file.clear();
    }
    for (const TransportOption& each : transport_options)
        if (arguments.has(each.option.name)) into.*each.key = arguments.value(each.option.name);
    if (arguments.has(limit_rate_option.name)) {
        const Result<Bytes> rate = rate_of(arguments.value(limit_rate_option.name));
        if (!rate) return rate.error();
        into.limit_rate = into.limit_rate == Bytes(0) ? *rate : std::min(into.limit_rate, *rate);
    }
    // The key of the configuration is that of its certificate.
    if (arguments.has("tls-cert") && !arguments.has("tls-key")) into.tls_key.clear();
    if (!arguments.has(proxy_option.name)) return {};
    const Result<net::ProxyUrl> proxy = net::ProxyUrl::parse(into.proxy);
    if (!proxy) return proxy.error().context("--proxy");
    if (proxy->has_credentials())
        return Error{Failure::usage,
                     "--proxy has a password, which every user would see: give it in the configuration"};
    return {};
}

Result<net::FetchOptions> fetch_options_of(const format::Configuration& configuration) {
    net::FetchOptions options;
    options.limit_rate = configuration.limit_rate;
    if (Result<void> readable = check_tls_files(configuration); !readable) return readable.error();
    Result<net::Credentials> credentials = read_credentials(configuration);
    if (!credentials) return credentials.error();
    options.transport.credentials = *std::move(credentials);
    options.transport.ca_file = configuration.tls_ca;
    options.transport.certificate_file = configuration.tls_cert;
    options.transport.key_file = configuration.tls_key;
    if (!configuration.proxy.empty()) {
        const Result<net::ProxyUrl> proxy = net::ProxyUrl::parse(configuration.proxy);
        if (!proxy) return proxy.error();
        options.transport.proxy = *proxy;
    }
    return options;
}

std::unique_ptr<net::Fetcher> make_fetcher(const format::Configuration& configuration,
                                           net::FetchOptions options, Observer& observer,
                                           const StopFlag& stop, const net::WrapFetcher& wrap) {
    options.observer = &observer;
    std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher(options, stop);
    if (wrap) fetcher = wrap(std::move(fetcher));
    Result<std::vector<net::Url>> urls = sources_of(configuration);
    if (!urls || urls->size() == 1) return fetcher;
    return store::make_mirrored_fetcher(std::move(fetcher), *std::move(urls), observer);
}

}  // namespace regild::cli
