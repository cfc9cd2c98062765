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
    return Source{std::move(manifest), std::move(manifest_text), "", *data_url, *index_url, *tree_url, "", 0};
}

// As it was served.
struct Document {
    std::string text;
    std::string signature;  // "" where none was asked for
};

Result<Document> signed_document(net::Fetcher& fetcher, const net::Url& url, const net::Url& signature_url,
                                 std::string text, const Trust& trust) {
    Result<std::string> signature = fetcher.get(signature_url, codec::signature_size);
    if (!signature && signature.error().kind == Failure::source)
        return Error{Failure::source, signature.error().message +
                                          "; the configuration names keys, so that regild sign has to sign " +
                                          url.file_name()};
    if (!signature) return signature.error();
    if (const Result<void> is_signed = trust.check(text, *signature); !is_signed)
        return is_signed.error().context(url.shown());
    return Document{std::move(text), *std::move(signature)};
}

// With keys it is signed by one of them, if need be at another mirror.
Result<Document> get_document(net::Fetcher& fetcher, const net::Url& url, std::size_t limit,
                              const Trust& trust) {
    const Result<net::Url> signature_url = url.sibling(url.file_name() + ".sig");
    if (!signature_url) return signature_url.error();
    for (;;) {
        Result<std::string> text = fetcher.get(url, limit);
        if (!text) return text.error();
        if (!trust.has_keys()) return Document{*std::move(text), ""};
        Result<Document> document = signed_document(fetcher, url, *signature_url, *std::move(text), trust);
        if (document || document.error().kind != Failure::source) return document;
        fetcher.refute(*signature_url);
        if (!fetcher.refute(url)) return document;
    }
}

// What is signed says what it is, and that it is no other: `path` is where the store has it.
Result<void> check_place(const net::Url& url, const std::string& path, const Trust& trust) {
    if (!trust.has_keys() || url.shown().ends_with("/" + path)) return {};
    return Error{Failure::source,
                 url.shown() + " is signed as " + path + ": something else was put in its place"};
}

// Of a manifest as it was served.
Result<Source> served_source(const net::Url& manifest_url, Document document, const Trust& trust) {
    Result<format::Manifest> manifest = format::parse_manifest(document.text);
    if (!manifest) return manifest.error().context(manifest_url.shown()).as(Failure::source);
    const std::string path = manifest->image + "/" + std::to_string(manifest->version) + "/" + manifest_name;
    if (Result<void> right = check_place(manifest_url, path, trust); !right) return right.error();
    Result<Source> source = source_of(manifest_url, *std::move(manifest), std::move(document.text));
    if (source) source->signature = std::move(document.signature);
    return source;
}

// A version that the asker has already.
struct Known {
    const std::string& image;
    std::uint64_t version;
};

Result<std::optional<Source>> channel_source(net::Fetcher& fetcher, const net::Url& url,
                                             const std::string& text, const Trust& trust,
                                             const std::optional<Known>& known) {
    const Result<format::Channel> channel = format::parse_channel(text);
    if (!channel) return channel.error().context(url.shown()).as(Failure::source);
    if (Result<void> right = check_place(url, channel->image + "/" + channel->name + ".json", trust); !right)
        return right.error();
    if (known && channel->image == known->image && channel->version == known->version)
        return std::optional<Source>();
    const Result<net::Url> manifest_url = url.sibling(std::to_string(channel->version) + "/" + manifest_name);
    if (!manifest_url) return manifest_url.error();
    Result<Document> manifest = get_document(fetcher, *manifest_url, format::max_manifest_size, trust);
    if (!manifest) return manifest.error();
    Result<Source> source = served_source(*manifest_url, *std::move(manifest), trust);
    if (!source) return source.error();
    source->channel_serial = channel->serial;
    if (source->manifest.image != channel->image || source->manifest.version != channel->version)
        return Error{Failure::source,
                     url.shown() + " points at version " + std::to_string(channel->version) + " of " +
                         channel->image + ", but the manifest there is of version " +
                         std::to_string(source->manifest.version) + " of " + source->manifest.image};
    return std::optional<Source>(*std::move(source));
}

bool names_a_manifest(const net::Url& url) {
    return url.file_name() == manifest_name;
}

// Nothing: it is a channel that names what is known.
Result<std::optional<Source>> ask(net::Fetcher& fetcher, const net::Url& url, const Trust& trust,
                                  const std::optional<Known>& known) {
    Result<Document> document =
        get_document(fetcher, url, std::max(format::max_manifest_size, format::max_channel_size), trust);
    if (!document) return document.error();
    const Result<format::DocumentType> type = format::document_type(document->text);
    if (!type) return type.error().context(url.shown()).as(Failure::source);
    // installed_source() tells them apart by the name, when nothing is to be fetched.
    const bool is_channel = *type == format::DocumentType::channel;
    if (is_channel == names_a_manifest(url))
        return Error{Failure::source,
                     url.shown() + " is a " + (is_channel ? "channel" : "manifest") +
                         ", but a manifest is called manifest.json and a channel is not: publish it under "
                         "its name"};
    std::optional<Source> source;
    if (is_channel) {
        Result<std::optional<Source>> of_channel = channel_source(fetcher, url, document->text, trust, known);
        if (!of_channel) return of_channel.error();
        source = *std::move(of_channel);
    } else {
        Result<Source> of_manifest = served_source(url, *std::move(document), trust);
        if (!of_manifest) return of_manifest.error();
        source = *std::move(of_manifest);
    }
    if (source) source->document = url.shown();
    return source;
}

}  // namespace

Result<Source> offered_source(net::Fetcher& fetcher, const net::Url& url, const Trust& trust) {
    Result<std::optional<Source>> source = ask(fetcher, url, trust, {});
    if (!source) return source.error();
    return **std::move(source);
}

Result<std::optional<Source>> offered_source_but(net::Fetcher& fetcher, const net::Url& url,
                                                 const Trust& trust, const std::string& image,
                                                 std::uint64_t version) {
    return ask(fetcher, url, trust, Known{image, version});
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
