// SPDX-License-Identifier: GPL-2.0-or-later
// The store's layout as URLs: <image>/<version>/manifest.json, and <image>/<channel>.json beside the
// versions.
#include "store/source.hpp"

#include <algorithm>

namespace regild::store {
namespace {

constexpr const char* manifest_name = "manifest.json";

// The files that the manifest at `manifest_url` names.
Result<Source> source_of(const net::Url& manifest_url, format::Manifest manifest, std::string manifest_text) {
    const Result<net::Url> data_url = manifest_url.sibling(manifest.data_file);
    if (!data_url) return data_url.error();
    const Result<net::Url> index_url = manifest_url.sibling(manifest.index_file);
    if (!index_url) return index_url.error();
    const Result<net::Url> tree_url = manifest_url.sibling(manifest.tree_file);
    if (!tree_url) return tree_url.error();
    return Source{std::move(manifest), std::move(manifest_text), *data_url, *index_url, *tree_url, ""};
}

// Of a manifest as it was served.
Result<Source> served_source(const net::Url& manifest_url, std::string manifest_text) {
    Result<format::Manifest> manifest = format::parse_manifest(manifest_text);
    if (!manifest) return manifest.error().context(manifest_url.shown()).as(Failure::source);
    return source_of(manifest_url, *std::move(manifest), std::move(manifest_text));
}

Result<Source> channel_source(net::Fetcher& fetcher, const net::Url& url, const std::string& text) {
    const Result<format::Channel> channel = format::parse_channel(text);
    if (!channel) return channel.error().context(url.shown()).as(Failure::source);
    const Result<net::Url> manifest_url = url.sibling(std::to_string(channel->version) + "/" + manifest_name);
    if (!manifest_url) return manifest_url.error();
    Result<std::string> manifest_text = fetcher.get(*manifest_url, format::max_manifest_size);
    if (!manifest_text) return manifest_text.error();
    Result<Source> source = served_source(*manifest_url, std::move(*manifest_text));
    if (!source) return source;
    if (source->manifest.image != channel->image || source->manifest.version != channel->version)
        return Error{Failure::source,
                     url.shown() + " points at version " + std::to_string(channel->version) + " of " +
                         channel->image + ", but the manifest there is of version " +
                         std::to_string(source->manifest.version) + " of " + source->manifest.image};
    return source;
}

bool names_a_manifest(const net::Url& url) {
    return url.file_name() == manifest_name;
}

}  // namespace

Result<Source> offered_source(net::Fetcher& fetcher, const net::Url& url) {
    Result<std::string> text =
        fetcher.get(url, std::max(format::max_manifest_size, format::max_channel_size));
    if (!text) return text.error();
    const Result<format::DocumentType> type = format::document_type(*text);
    if (!type) return type.error().context(url.shown()).as(Failure::source);
    // installed_source() tells them apart by the name, when nothing is to be fetched.
    const bool is_channel = *type == format::DocumentType::channel;
    if (is_channel == names_a_manifest(url))
        return Error{Failure::source,
                     url.shown() + " is a " + (is_channel ? "channel" : "manifest") +
                         ", but a manifest is called manifest.json and a channel is not: publish it under "
                         "its name"};
    Result<Source> source =
        is_channel ? channel_source(fetcher, url, *text) : served_source(url, std::move(*text));
    if (source) source->document = url.shown();
    return source;
}

Result<Source> installed_source(const net::Url& url, format::Manifest manifest, std::string manifest_text) {
    const std::string beside = std::to_string(manifest.version) + "/" + manifest_name;
    const Result<net::Url> manifest_url = url.sibling(names_a_manifest(url) ? "../" + beside : beside);
    if (!manifest_url) return manifest_url.error();
    return source_of(*manifest_url, std::move(manifest), std::move(manifest_text));
}

Result<Source> installed_source(const net::Url& url, const std::string& manifest_text) {
    Result<format::Manifest> manifest = format::parse_manifest(manifest_text);
    if (!manifest) return manifest.error();
    return installed_source(url, *std::move(manifest), manifest_text);
}

}  // namespace regild::store
