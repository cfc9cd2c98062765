// SPDX-License-Identifier: GPL-2.0-or-later
#include "net/fetcher.hpp"

namespace regild::net {
namespace {

class KnownRanges final : public Ranges {
  public:
    KnownRanges(std::span<const Range> ranges, const Fetcher::Arrived& arrived, const Fetcher::Moved& moved)
        : ranges_(ranges), arrived_(arrived), moved_(moved) {}
    std::optional<Range> next() override {
        if (next_ == ranges_.size()) return std::nullopt;
        Range range = ranges_[next_];
        range.number = next_++;
        return range;
    }
    Result<void> arrived(std::size_t number) override { return arrived_(number); }
    void moved(Bytes bytes) override { moved_(bytes); }

  private:
    std::span<const Range> ranges_;
    const Fetcher::Arrived& arrived_;
    const Fetcher::Moved& moved_;
    std::size_t next_ = 0;
};

}  // namespace

Result<void> Fetcher::get_ranges(const Url& url, std::span<const Range> ranges, const Arrived& arrived,
                                 const Moved& moved) {
    KnownRanges known(ranges, arrived, moved);
    return get_ranges(url, known);
}

}  // namespace regild::net
