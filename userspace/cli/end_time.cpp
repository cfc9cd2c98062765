// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/end_time.hpp"

#include <charconv>
#include <ctime>
#include <optional>
#include <string_view>

#include "base/utc.hpp"

namespace regild::cli {
namespace {

constexpr std::uint64_t longest_span = 1000000;  // hours or days

// What is read from the front of a text; once something else stands there it has failed.
class Reader {
  public:
    explicit Reader(std::string_view text) : rest_(text) {}
    int digits(std::size_t count) {
        int number = 0;
        failed_ = failed_ || rest_.size() < count;
        for (std::size_t i = 0; i < count && !failed_; ++i) {
            failed_ = rest_[i] < '0' || rest_[i] > '9';
            number = number * 10 + (rest_[i] - '0');
        }
        if (!failed_) rest_.remove_prefix(count);
        return number;
    }
    bool has(char wanted) {
        if (failed_ || !rest_.starts_with(wanted)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void need(char wanted) { failed_ = !has(wanted) || failed_; }
    bool is_at_end() const { return !failed_ && rest_.empty(); }
    bool failed() const { return failed_; }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

bool is_same(const tm& a, const tm& b) {
    return a.tm_year == b.tm_year && a.tm_mon == b.tm_mon && a.tm_mday == b.tm_mday &&
           a.tm_hour == b.tm_hour && a.tm_min == b.tm_min && a.tm_sec == b.tm_sec;
}

std::optional<std::int64_t> read_date(const std::string& text) {
    Reader reader(text);
    tm parts{};
    parts.tm_year = reader.digits(4) - 1900;
    reader.need('-');
    parts.tm_mon = reader.digits(2) - 1;
    reader.need('-');
    parts.tm_mday = reader.digits(2);
    const bool is_local = reader.has(' ');
    if (!is_local) reader.need('T');
    parts.tm_hour = reader.digits(2);
    reader.need(':');
    parts.tm_min = reader.digits(2);
    if (!is_local || !reader.is_at_end()) {
        reader.need(':');
        parts.tm_sec = reader.digits(2);
    }
    std::int64_t offset = 0;
    if (!is_local && !reader.has('Z')) {
        const bool west = reader.has('-');
        if (!west) reader.need('+');
        const int hours = reader.digits(2);
        reader.need(':');
        const int minutes = reader.digits(2);
        if (hours > 23 || minutes > 59) return std::nullopt;
        offset = std::int64_t{west ? -60 : 60} * (hours * 60 + minutes);
    }
    if (!reader.is_at_end()) return std::nullopt;
    tm normal = parts;
    normal.tm_isdst = is_local ? -1 : 0;
    const std::int64_t seconds = is_local ? mktime(&normal) : timegm(&normal);
    if (!is_same(parts, normal)) return std::nullopt;  // such as February 30
    return seconds - offset;
}

std::optional<std::int64_t> read_span(std::string_view text, std::uint64_t now) {
    const std::uint64_t unit = text.ends_with('h') ? 3600 : text.ends_with('d') ? 86400 : 0;
    if (unit == 0) return std::nullopt;
    std::uint64_t count = 0;
    const char* const end = text.data() + text.size() - 1;
    const auto [stopped, error] = std::from_chars(text.data() + 1, end, count);
    if (error != std::errc() || stopped != end || count > longest_span) return std::nullopt;
    return static_cast<std::int64_t>(now + count * unit);
}

}  // namespace

Result<std::uint64_t> parse_end_time(const std::string& text, std::uint64_t now) {
    const std::optional<std::int64_t> seconds =
        text.starts_with('+') ? read_span(text, now) : read_date(text);
    if (!seconds || *seconds < 0 || static_cast<std::uint64_t>(*seconds) > max_utc)
        return Error{Failure::usage, "'" + text +
                                         "' is no time such as \"2026-12-01 18:00\" (local time), "
                                         "2026-12-01T18:00:00Z, +12h or +7d"};
    return static_cast<std::uint64_t>(*seconds);
}

}  // namespace regild::cli
