// SPDX-License-Identifier: GPL-2.0-or-later
// Several servers with the same store: what one does not give another may.
#pragma once

#include <memory>
#include <vector>

#include "base/observer.hpp"
#include "net/fetcher.hpp"
#include "net/url.hpp"

namespace regild::store {

// Asks `fetcher` for URLs of the first document's store, and where that fails for the same at the stores of
// the others, in their order, each for what is still missing. `documents` are one or more URLs of the same
// manifest or channel. A mirror that failed is not asked again for what it failed with; who gave something
// last is asked first the next time. Who gave wrong bytes of a URL, or does not have it, is asked for it last
// from then on, and no other one is asked again for a range that it gives wrongly. When all have failed the
// error names each with its reason, and is Failure::network if one of them may yet answer. The observer,
// which outlives the fetcher, hears of each that is left for another.
std::unique_ptr<net::Fetcher> make_mirrored_fetcher(std::unique_ptr<net::Fetcher> fetcher,
                                                    std::vector<net::Url> documents, Observer& observer);

}  // namespace regild::store
