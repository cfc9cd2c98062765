// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/configuration.hpp"

#include "base/mapped_name.hpp"
#include "format/json.hpp"
#include "format/manifest.hpp"

namespace regild::format {
namespace {

constexpr std::uint64_t max_device_timeout = 3600;
constexpr std::uint64_t max_offline_time = 86400;
constexpr std::uint64_t max_offline_boots = 1000000;
constexpr std::uint64_t max_trial_boots = 1000;
constexpr std::uint64_t max_max_age = 3650;  // days
constexpr std::chrono::seconds patience_before_boot{60};
constexpr std::uint64_t max_start_jitter = 3600;

std::string take_required(ObjectReader& reader, const char* key) {
    std::string text = reader.text(key);
    if (text.empty()) reader.fail(key, "must not be empty");
    return text;
}

// One URL, or a list: the first and its mirrors.
void take_sources(ObjectReader& reader, Configuration& configuration) {
    if (!reader.is_list("source")) {
        configuration.source = take_required(reader, "source");
        return;
    }
    configuration.mirrors = reader.texts("source");
    if (configuration.mirrors.empty() || configuration.mirrors.size() > 1 + max_mirrors)
        return reader.fail("source", "must be one URL, or a list of 1 to " + std::to_string(1 + max_mirrors));
    configuration.source = configuration.mirrors.front();
    configuration.mirrors.erase(configuration.mirrors.begin());
}

// A key that the policy does not heed is refused: somebody would rely on it.
OfflineRules take_offline(ObjectReader& reader) {
    OfflineRules rules;
    const std::string policy = reader.has("offline") ? reader.text("offline") : "wait";
    if (policy == "halt")
        rules.policy = OfflinePolicy::halt;
    else if (policy == "boot")
        rules.policy = OfflinePolicy::boot;
    else if (policy != "wait")
        reader.fail("offline", "must be \"wait\", \"halt\" or \"boot\"");
    const auto time = [&](const char* key, std::uint64_t least) {
        return std::chrono::seconds(reader.number(key, least, max_offline_time));
    };
    if (rules.policy == OfflinePolicy::boot) rules.patience = patience_before_boot;
    if (reader.has("offline_patience")) {
        rules.patience = time("offline_patience", 0);
        if (rules.policy == OfflinePolicy::halt)
            reader.fail("offline_patience", "has no meaning with \"halt\": it does not wait");
    }
    if (reader.has("offline_boots")) {
        rules.most_boots = static_cast<std::uint32_t>(reader.number("offline_boots", 1, max_offline_boots));
        if (rules.policy != OfflinePolicy::boot)
            reader.fail("offline_boots", "has a meaning only with \"offline\": \"boot\"");
    }
    if (reader.has("offline_message")) {
        rules.message = take_required(reader, "offline_message");
        if (rules.message.size() > max_offline_message)
            reader.fail("offline_message",
                        "must not have more than " + std::to_string(max_offline_message) + " bytes");
    }
    if (reader.has("offline_reboot")) rules.reboot = time("offline_reboot", 1);
    return rules;
}

UpdatePolicy take_update(ObjectReader& reader) {
    const std::string policy = reader.has("update") ? reader.text("update") : "never";
    if (policy == "dirty") return UpdatePolicy::dirty;
    if (policy == "boot") return UpdatePolicy::boot;
    if (policy == "staged") return UpdatePolicy::staged;
    if (policy != "never") reader.fail("update", "must be \"never\", \"staged\", \"dirty\" or \"boot\"");
    return UpdatePolicy::never;
}

LogTrust take_trust(ObjectReader& reader) {
    const std::string trust = reader.text("trust");
    if (trust == "hash") return LogTrust::hash;
    if (trust != "marks") reader.fail("trust", "must be \"marks\" or \"hash\"");
    return LogTrust::marks;
}

// "500K"
Bytes take_size(ObjectReader& reader, const char* key) {
    const Result<Bytes> size = parse_size(reader.text(key));
    if (!size) reader.fail(key, "must be a size such as \"500K\"");
    return size ? *size : Bytes(0);
}

void take_transport(ObjectReader& reader, Configuration& configuration) {
    const auto take = [&](const char* key, std::string& into) {
        if (reader.has(key)) into = take_required(reader, key);
    };
    take("tls_ca", configuration.tls_ca);
    take("tls_cert", configuration.tls_cert);
    take("tls_key", configuration.tls_key);
    take("proxy", configuration.proxy);
    take("bearer_token_file", configuration.bearer_token_file);
    take("headers_file", configuration.headers_file);
    if (reader.has("limit_rate")) configuration.limit_rate = take_size(reader, "limit_rate");
    if (reader.has("limit_rate") && configuration.limit_rate < least_limit_rate)
        reader.fail("limit_rate", "must be \"16K\" or more");
}

}  // namespace

Result<Configuration> parse_configuration(std::string_view text) {
    const Result<nlohmann::json> document = parse_json_object(text, max_configuration_size, Failure::usage);
    if (!document) return document.error();
    ObjectReader reader(*document, Failure::usage);

    Configuration configuration;
    configuration.data = take_required(reader, "data");
    configuration.log = take_required(reader, "log");
    take_sources(reader, configuration);
    configuration.name = take_required(reader, "name");
    if (!is_valid_mapped_name(configuration.name))
        reader.fail("name", "must be 1 to 127 of A-Z a-z 0-9 # + . _ - and not \"control\"");
    if (reader.has("cache")) configuration.cache = take_required(reader, "cache");
    if (configuration.cache == configuration.data || configuration.cache == configuration.log)
        reader.fail("cache", "must be a device of its own");
    if (reader.has("golden_copy")) configuration.golden_copy = take_required(reader, "golden_copy");
    for (const std::string* other : {&configuration.data, &configuration.log, &configuration.cache})
        if (configuration.golden_copy == *other && !other->empty())
            reader.fail("golden_copy", "must be a device of its own");
    if (reader.has("keys")) configuration.keys = take_required(reader, "keys");
    configuration.update = take_update(reader);
    if (reader.has("trust")) configuration.trust = take_trust(reader);
    if (reader.has("tags")) configuration.tags = take_tags(reader, "tags");
    if (reader.has("max_age")) {
        configuration.max_age = std::chrono::days(reader.number("max_age", 1, max_max_age));
        if (configuration.keys.empty()) reader.fail("max_age", "needs \"keys\": else the age can be forged");
    }
    if (reader.has("trial_boots"))
        configuration.trial_boots =
            static_cast<std::uint32_t>(reader.number("trial_boots", 1, max_trial_boots));
    configuration.offline = take_offline(reader);
    take_transport(reader, configuration);
    if (reader.has("adopt")) configuration.adopt = reader.boolean("adopt");
    if (reader.has("allow_downgrade")) configuration.allow_downgrade = reader.boolean("allow_downgrade");
    if (reader.has("allow_off")) configuration.allow_off = reader.boolean("allow_off");
    if (reader.has("read_back")) configuration.read_back = reader.boolean("read_back");
    if (reader.has("allow_thaw")) configuration.allow_thaw = reader.boolean("allow_thaw");
    if (reader.has("allow_discards")) configuration.allow_discards = reader.boolean("allow_discards");
    if (reader.has("max_fetch")) configuration.max_fetch = take_size(reader, "max_fetch");
    if (configuration.update == UpdatePolicy::staged && configuration.cache.empty())
        reader.fail("update", "needs a \"cache\" to be \"staged\"");
    if (configuration.max_fetch && configuration.update != UpdatePolicy::never)
        reader.fail("update", "must be \"never\" with \"max_fetch\": a newer version may need more");
    if (reader.has("start_jitter"))
        configuration.start_jitter = std::chrono::seconds(reader.number("start_jitter", 0, max_start_jitter));
    if (reader.has("device_timeout"))
        configuration.device_timeout =
            std::chrono::seconds(reader.number("device_timeout", 0, max_device_timeout));

    if (const Result<void> result = reader.finish(); !result) return result.error();
    return configuration;
}

}  // namespace regild::format
