// SPDX-License-Identifier: GPL-2.0-or-later
// From the URL that the owner gave to the files of one image version.
#pragma once

#include <optional>
#include <string>

#include "format/manifest.hpp"
#include "net/fetcher.hpp"
#include "net/url.hpp"
#include "store/known_channels.hpp"
#include "store/rollout.hpp"
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
    std::optional<SignedChannel> channel{};  // that led here; nothing: it was none
};

// The image that a manifest or a channel at this URL is of, by the store's layout; "" where that cannot be
// told.
std::string image_at(const net::Url& url);

// What `url` (a manifest or a channel) offers now. With keys: only what is signed by one of them and lies
// where the store's layout puts it, so that what was signed for one channel or image is not taken for
// another. A mirror that gives something else is left for the next one.
Result<Source> offered_source(net::Fetcher& fetcher, const net::Url& url, const Trust& trust);
// What the asker has already.
struct Known {
    std::string image;
    std::uint64_t version = 0;
    std::uint64_t rejected = 0;      // a version that is of no interest; 0: none
    KnownChannels channels;          // that were believed before
    std::optional<Machine> machine;  // nothing: for which ones a version is meant does not matter
};
struct Offered {
    // Nothing: a channel that names a version that is known, or is not meant for this machine.
    std::optional<Source> source;
    std::optional<SignedChannel> channel;  // nothing: it is none
    // Why a newer version is not for this machine.
    std::optional<std::string> withheld{};
};
// The same of who has a version. A channel that offers nothing costs one request, with keys two where it is
// not one that is known, byte for byte. With keys a channel that is too old, or has a serial number lower
// than the one that is known, is Failure::source, and left for the next mirror.
Result<Offered> offered_but(net::Fetcher& fetcher, const net::Url& url, const Trust& trust,
                            const Known& known);
// Where the manifest of a version is, by the store's layout: beside a channel, or beside another manifest.
Result<net::Url> manifest_url(const net::Url& url, std::uint64_t version);
// The version that a volume holds: the one whose manifest is in the log's image record. `url` tells where:
// beside a channel at <version>/, or beside a manifest at ../<version>/, as the store lays them out. No
// request is made.
Result<Source> installed_source(const net::Url& url, const std::string& manifest_text);

}  // namespace regild::store
