// SPDX-License-Identifier: GPL-2.0-or-later
// Strict reading of JSON objects: every key comes once, and those that are asked for have their type and
// range; nlohmann's exceptions stay behind this file.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace regild::format {

// The whole text is one JSON object, at most `max_size` bytes and a few levels deep, without duplicate keys.
Result<nlohmann::json> parse_json_object(std::string_view text, std::size_t max_size, Failure kind);

// Takes keys out of one object and keeps the first thing that is wrong; ask finish(), or so_far() where
// unknown keys are let pass, when all are taken, and use the values only when it has nothing to say. A value
// that is wrong reads as empty or zero.
class ObjectReader {
  public:
    // `object` must be an object and outlive the reader. `path` names it in messages: "" or "tree.".
    ObjectReader(const nlohmann::json& object, Failure kind, std::string path = "");

    std::string text(const std::string& key);
    std::uint64_t number(const std::string& key, std::uint64_t min, std::uint64_t max);
    bool boolean(const std::string& key);
    std::vector<std::string> texts(const std::string& key);  // a list of strings
    ObjectReader object(const std::string& key);
    bool has(const std::string& key) const { return object_->contains(key); }
    bool is_list(const std::string& key) const { return has(key) && object_->at(key).is_array(); }

    // For what only the caller can check.
    void fail(const std::string& key, const std::string& what);
    void absorb(
        const ObjectReader& inner);  // takes over what is wrong with the keys taken of a nested object
    Result<void> so_far() const;     // what is wrong with the keys taken until now
    Result<void> finish();           // with the first key that nobody asked for, if there is nothing else

  private:
    const nlohmann::json* take(const std::string& key);

    const nlohmann::json* object_;
    Failure kind_;
    std::string path_;
    std::set<std::string> taken_;
    std::optional<Error> error_;
};

}  // namespace regild::format
