// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/trust.hpp"

#include <algorithm>

#include "base/utc.hpp"

namespace regild::store {
namespace {

constexpr std::uint64_t seconds_a_day = 86400;

}  // namespace

Result<void> Trust::check(std::string_view text, std::string_view signature) const {
    if (!keys_ || keys_->verify(text, signature)) return {};
    if (signature.empty())
        return Error{Failure::source,
                     "it is not signed, and the configuration names keys: regild sign signs it"};
    return Error{Failure::source, "its signature is of none of the keys that the configuration names"};
}

Result<void> Trust::check_age(std::uint64_t issued, std::uint64_t seen) const {
    const std::uint64_t now = std::max(freshness_.now, seen);
    if (!freshness_.max_age || now <= issued || now - issued <= *freshness_.max_age) return {};
    return Error{Failure::source,
                 "the channel was issued at " + utc_text(issued) + ", " +
                     std::to_string((now - issued) / seconds_a_day) +
                     " days ago, and \"max_age\" is less: either nobody has issued it anew, or "
                     "somebody keeps this machine from a newer one"};
}

}  // namespace regild::store
