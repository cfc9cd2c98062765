// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/json.hpp"

#include <utility>
#include <vector>

#include "base/text.hpp"

namespace regild::format {
namespace {

using nlohmann::json;

constexpr int max_depth = 8;

// A name as it may be shown: strangers choose it.
std::string shown(std::string_view name) {
    return printable(name.substr(0, 64));
}

}  // namespace

Result<json> parse_json_object(std::string_view text, std::size_t max_size, Failure kind) {
    if (text.size() > max_size)
        return Error{kind, "it is longer than " + std::to_string(max_size) + " bytes"};

    std::optional<Error> error;
    std::vector<std::set<std::string>> open_objects;
    const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
        switch (event) {
            case json::parse_event_t::object_start:
                open_objects.emplace_back();
                break;
            case json::parse_event_t::object_end:
                open_objects.pop_back();
                break;
            case json::parse_event_t::key: {
                const std::string& key = parsed.get_ref<const std::string&>();
                if (!open_objects.back().insert(key).second && !error)
                    error = Error{kind, "the key '" + shown(key) + "' comes twice"};
                break;
            }
            default:
                break;
        }
        if (depth > max_depth && !error) error = Error{kind, "it is nested too deeply"};
        return !error;
    };

    json document;
    try {
        document = json::parse(text, watch);
    } catch (const json::parse_error& e) {
        if (!error) error = Error{kind, "it is not JSON: error at byte " + std::to_string(e.byte)};
    } catch (const json::exception&) {
        if (!error) error = Error{kind, "it is not JSON: a number is out of range"};
    }
    if (error) return *error;
    if (!document.is_object()) return Error{kind, "it is not a JSON object"};
    return document;
}

ObjectReader::ObjectReader(const json& object, Failure kind, std::string path)
    : object_(&object), kind_(kind), path_(std::move(path)) {}

void ObjectReader::fail(const std::string& key, const std::string& what) {
    if (!error_) error_ = Error{kind_, "'" + path_ + key + "' " + what};
}

const json* ObjectReader::take(const std::string& key) {
    taken_.insert(key);
    const auto found = object_->find(key);
    if (found != object_->end()) return &*found;
    fail(key, "is missing");
    return nullptr;
}

std::string ObjectReader::text(const std::string& key) {
    const json* const value = take(key);
    if (value == nullptr) return {};
    if (!value->is_string()) {
        fail(key, "must be a string");
        return {};
    }
    std::string text = *value->get_ptr<const std::string*>();
    if (is_printable(text)) return text;
    fail(key, "must not contain control characters");
    return {};
}

std::uint64_t ObjectReader::number(const std::string& key, std::uint64_t min, std::uint64_t max) {
    const json* const value = take(key);
    if (value == nullptr) return 0;
    const auto* const number = value->get_ptr<const std::uint64_t*>();
    if (number == nullptr || *number < min || *number > max) {
        fail(key, "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max));
        return 0;
    }
    return *number;
}

bool ObjectReader::boolean(const std::string& key) {
    const json* const value = take(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) {
        fail(key, "must be true or false");
        return false;
    }
    return *value->get_ptr<const bool*>();
}

ObjectReader ObjectReader::object(const std::string& key) {
    static const json empty = json::object();
    const json* value = take(key);
    if (value != nullptr && !value->is_object()) {
        fail(key, "must be an object");
        value = nullptr;
    }
    return {value != nullptr ? *value : empty, kind_, path_ + key + "."};
}

std::vector<std::string> ObjectReader::texts(const std::string& key) {
    const json* const value = take(key);
    std::vector<std::string> texts;
    if (value == nullptr) return texts;
    const bool is_list = value->is_array();
    for (const json& item : is_list ? *value : json::array()) {
        const auto* const text = item.get_ptr<const std::string*>();
        if (text == nullptr) break;
        texts.push_back(*text);
    }
    if (!is_list || texts.size() < value->size()) fail(key, "must be a list of strings");
    return texts;
}

void ObjectReader::absorb(const ObjectReader& inner) {
    if (!error_) error_ = inner.error_;
}

Result<void> ObjectReader::so_far() const {
    if (error_) return *error_;
    return {};
}

Result<void> ObjectReader::finish() {
    for (const auto& item : object_->items())
        if (!taken_.contains(item.key())) fail(shown(item.key()), "is not a known key");
    return so_far();
}

}  // namespace regild::format
