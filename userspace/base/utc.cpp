// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/utc.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace regild {
namespace {

constexpr const char* form = "%Y-%m-%dT%H:%M:%SZ";
constexpr std::uint64_t built = REGILD_BUILD_TIME;

}  // namespace

std::string utc_text(std::uint64_t seconds) {
    const auto time = static_cast<std::time_t>(seconds);
    std::tm parts{};
    gmtime_r(&time, &parts);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), form, &parts)};
}

std::optional<std::uint64_t> parse_utc(const std::string& text) {
    std::tm parts{};
    const char* const end = strptime(text.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    const std::time_t time = timegm(&parts);
    if (time < 0 || static_cast<std::uint64_t>(time) > max_utc) return std::nullopt;
    const auto seconds = static_cast<std::uint64_t>(time);
    // Other forms that strptime lets pass, and days that are none.
    if (utc_text(seconds) != text) return std::nullopt;
    return seconds;
}

std::uint64_t utc_now() {
    return std::clamp(static_cast<std::uint64_t>(std::max<std::time_t>(std::time(nullptr), 0)), built,
                      max_utc);
}

}  // namespace regild
