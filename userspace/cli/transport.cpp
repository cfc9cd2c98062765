// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/transport.hpp"

#include <array>
#include <tuple>

#include "base/read_file.hpp"
#include "cli/configuration_file.hpp"
#include "store/mirrors.hpp"

namespace regild::cli {
namespace {

struct TransportOption {
    Option option;
    std::string format::Configuration::*key;
};

constexpr Option proxy_option{"proxy", "URL", "through this proxy (http, https, socks5 or socks5h)"};

constexpr std::array transport_options{
    TransportOption{{"tls-ca", "FILE", "trust these CA certificates and no others (PEM)"},
                    &format::Configuration::tls_ca},
    TransportOption{{"tls-cert", "FILE", "show the server this certificate (PEM)"},
                    &format::Configuration::tls_cert},
    TransportOption{{"tls-key", "FILE", "its private key (default: in the same file)"},
                    &format::Configuration::tls_key},
    TransportOption{proxy_option, &format::Configuration::proxy}};

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

}  // namespace

std::vector<Option> with_transport_options(std::vector<Option> first, const std::vector<Option>& last) {
    for (const TransportOption& each : transport_options)
        first.push_back(each.option);
    first.insert(first.end(), last.begin(), last.end());
    return first;
}

Result<void> take_transport(const Arguments& arguments, format::Configuration& into) {
    for (const TransportOption& each : transport_options)
        if (arguments.has(each.option.name)) into.*each.key = arguments.value(each.option.name);
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
    if (Result<void> readable = check_tls_files(configuration); !readable) return readable.error();
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
                                           const StopFlag& stop) {
    options.observer = &observer;
    std::unique_ptr<net::Fetcher> fetcher = net::make_http_fetcher(options, stop);
    Result<std::vector<net::Url>> urls = sources_of(configuration);
    if (!urls || urls->size() == 1) return fetcher;
    return store::make_mirrored_fetcher(std::move(fetcher), *std::move(urls), observer);
}

}  // namespace regild::cli
