// SPDX-License-Identifier: GPL-2.0-or-later
// From the URL that the owner gave to the files of one image version.
#pragma once

#include <optional>
#include <string>

#include "format/manifest.hpp"
#include "net/fetcher.hpp"
#include "net/url.hpp"
#include "store/trust.hpp"

namespace regild::store {

struct Source {
    format::Manifest manifest;
    std::string manifest_text;  // as it was received, for the image record
    std::string signature;      // of the manifest, as it was received; "" where none was asked for
    net::Url data_url;          // of the frames
    net::Url index_url;
    net::Url tree_url;
    std::string document;  // as shown: URL of the manifest or channel that led here; "" where none was read
    std::uint64_t channel_serial = 0;  // of the channel that led here; 0: it was none
};

// What `url` (a manifest or a channel) offers now. With keys: only what is signed by one of them and lies
// where the store's layout puts it, so that what was signed for one channel or image is not taken for
// another. A mirror that gives something else is left for the next one.
Result<Source> offered_source(net::Fetcher& fetcher, const net::Url& url, const Trust& trust);
// The same; nothing where it is a channel that still names this version of this image: one request, and one
// for its signature.
Result<std::optional<Source>> offered_source_but(net::Fetcher& fetcher, const net::Url& url,
                                                 const Trust& trust, const std::string& image,
                                                 std::uint64_t version);
// The version that a volume holds: `manifest`, whose text is in the log's image record. `url` tells where:
// beside a channel at <version>/, or beside a manifest at ../<version>/, as the store lays them out. No
// request is made.
Result<Source> installed_source(const net::Url& url, format::Manifest manifest, std::string manifest_text);
// The same of a manifest that nobody has parsed yet.
Result<Source> installed_source(const net::Url& url, const std::string& manifest_text);

}  // namespace regild::store
