// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/trust.hpp"

namespace regild::store {

Result<void> Trust::check(std::string_view text, std::string_view signature) const {
    if (!keys_ || keys_->verify(text, signature)) return {};
    if (signature.empty())
        return Error{Failure::source,
                     "it is not signed, and the configuration names keys: regild sign signs it"};
    return Error{Failure::source, "its signature is of none of the keys that the configuration names"};
}

}  // namespace regild::store
