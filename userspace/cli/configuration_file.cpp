// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/configuration_file.hpp"

#include "base/read_file.hpp"
#include "base/utc.hpp"
#include "cli/transport.hpp"
#include "store/source.hpp"

namespace regild::cli {
namespace {

constexpr std::size_t max_keys_size = 65536;  // bytes of PEM with what is written between the keys

}  // namespace

Result<format::Configuration> read_configuration(const std::string& path) {
    const Result<std::string> text = read_file(path, format::max_configuration_size + 1);
    if (!text) return Error{Failure::usage, text.error().context("configuration").message};
    Result<format::Configuration> configuration = format::parse_configuration(*text);
    if (!configuration) return configuration.error().context("configuration " + path);
    if (const auto valid = sources_of(*configuration); !valid)
        return valid.error().context("configuration " + path + ": 'source'");
    if (!configuration->proxy.empty())
        if (const auto valid = net::ProxyUrl::parse(configuration->proxy); !valid)
            return valid.error().context("configuration " + path + ": 'proxy'");
    return configuration;
}

Result<std::vector<net::Url>> sources_of(const format::Configuration& configuration) {
    std::vector<net::Url> urls;
    std::vector<std::string> texts{configuration.source};
    texts.insert(texts.end(), configuration.mirrors.begin(), configuration.mirrors.end());
    for (const std::string& text : texts) {
        const Result<net::Url> url = net::parse_document_url(text);
        if (!url) return url.error();
        if (!urls.empty() && url->file_name() != urls[0].file_name())
            return Error{Failure::usage, url->shown() + " is no mirror of " + urls[0].shown() +
                                             ": the name of its file is another"};
        urls.push_back(*url);
    }
    return urls;
}

Result<codec::PublicKeys> read_keys(const std::string& path) {
    const Result<std::string> pem = read_file(path, max_keys_size);
    if (!pem) return pem.error().as(Failure::usage).context("keys");
    Result<codec::PublicKeys> keys = codec::PublicKeys::parse(*pem);
    return keys ? keys : keys.error().context("keys " + path);
}

Result<store::Trust> trust_of(const format::Configuration& configuration) {
    if (configuration.keys.empty()) return store::Trust();
    Result<codec::PublicKeys> keys = read_keys(configuration.keys);
    if (!keys) return keys.error();
    const Result<net::Url> source = net::parse_document_url(configuration.source);
    store::Freshness freshness{.now = utc_now(), .max_age = {}};
    if (configuration.max_age)
        freshness.max_age = static_cast<std::uint64_t>(std::chrono::seconds(*configuration.max_age).count());
    return store::Trust(*std::move(keys), source ? store::image_at(*source) : "", freshness);
}

Result<volume::OpenCache> cache_of(const format::Configuration& configuration) {
    return configuration.cache.empty() ? Result<volume::OpenCache>(volume::OpenCache())
                                       : volume::open_cache(configuration.cache);
}

Result<volume::OpenCache> look_at_cache_of(const format::Configuration& configuration) {
    return configuration.cache.empty() ? Result<volume::OpenCache>(volume::OpenCache())
                                       : volume::look_at_cache(configuration.cache);
}

Result<format::Configuration> configuration_of(const Arguments& arguments) {
    format::Configuration configuration;
    if (arguments.has(config_option.name)) {
        Result<format::Configuration> read = read_configuration(arguments.value(config_option.name));
        if (!read) return read;
        configuration = *std::move(read);
    }
    const auto take = [&](const Option& option, std::string& into) {
        if (arguments.has(option.name)) into = arguments.value(option.name);
    };
    if (Result<void> taken = take_transport(arguments, configuration); !taken) return taken.error();
    take(data_option, configuration.data);
    take(log_option, configuration.log);
    take(source_option, configuration.source);
    if (arguments.has(source_option.name)) configuration.mirrors.clear();
    take(cache_option, configuration.cache);
    take(golden_copy_option, configuration.golden_copy);
    take(keys_option, configuration.keys);
    if (arguments.has(keys_option.name) && configuration.keys.empty())
        return Error{Failure::usage, "--keys needs the name of a file"};
    if (arguments.has(max_fetch_option.name)) {
        const Result<Bytes> most = parse_size(arguments.value(max_fetch_option.name));
        if (!most) return most.error().context("--max-fetch");
        configuration.max_fetch = *most;
    }
    configuration.read_back = configuration.read_back || arguments.has(read_back_option.name);
    configuration.adopt = configuration.adopt || arguments.has(adopt_option.name);
    configuration.allow_downgrade =
        configuration.allow_downgrade || arguments.has(allow_downgrade_option.name);
    configuration.allow_discards = configuration.allow_discards || arguments.has(allow_discards_option.name);
    if (!configuration.source.empty()) {
        if (Result<net::Url> valid = net::parse_document_url(configuration.source); !valid)
            return valid.error();
    }
    return configuration;
}

}  // namespace regild::cli
