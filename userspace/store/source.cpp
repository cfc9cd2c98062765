// SPDX-License-Identifier: GPL-2.0-or-later
// The store's layout as URLs: <image>/<version>/manifest.json, and <image>/<channel>.json beside the
// versions.
#include "store/source.hpp"

#include <algorithm>
#include <functional>

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
    return Source{std::move(manifest), std::move(manifest_text), "", *data_url, *index_url, *tree_url, ""};
}

// As it was served.
struct Document {
    std::string text;
    std::string signature;  // "" where none was asked for
};

// Whether the channel has nothing for who asks.
bool offers_nothing(const format::Channel& channel, const Known& known) {
    return channel.image == known.image &&
           (channel.version == known.version || channel.version == known.rejected ||
            (known.machine && !is_meant_for(channel, *known.machine)));
}

// Of a channel that offers nothing: why a newer version is not for this machine.
std::optional<std::string> withheld(const format::Channel& channel, const Known& known) {
    if (!known.machine || channel.version <= known.version || channel.version == known.rejected)
        return std::nullopt;
    return reason_against(channel, *known.machine);
}

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

// What is signed says what it is, and that it is no other: `path` is where the store has it.
Result<void> check_place(const net::Url& url, const std::string& path, const Trust& trust) {
    if (!trust.has_keys() || url.shown().ends_with("/" + path)) return {};
    return Error{Failure::source,
                 url.shown() + " is signed as " + path + ": something else was put in its place"};
}

// What is wrong with a document besides its signature.
using Check = std::function<Result<void>(const std::string& text)>;

// With keys it is signed by one of them: the signature of a channel that is known is not asked for once more.
// `check` has nothing against it, if need be at another mirror.
Result<Document> get_document(net::Fetcher& fetcher, const net::Url& url, std::size_t limit,
                              const Trust& trust, const Check& check,
                              const std::optional<Known>& known = std::nullopt) {
    const Result<net::Url> signature_url = url.sibling(url.file_name() + ".sig");
    if (!signature_url) return signature_url.error();
    for (;;) {
        Result<std::string> text = fetcher.get(url, limit);
        if (!text) return text.error();
        const SignedChannel* const same = known ? known->channels.with_text(*text) : nullptr;
        Result<Document> document =
            trust.has_keys() && !same ? signed_document(fetcher, url, *signature_url, *std::move(text), trust)
                                      : Document{*std::move(text), same ? same->signature : ""};
        if (document)
            if (Result<void> checked = check(document->text); !checked) document = checked.error();
        if (document || document.error().kind != Failure::source) return document;
        if (trust.has_keys()) fetcher.refute(*signature_url);
        if (!fetcher.refute(url)) return document;
    }
}

// Where the store has it.
std::string path_of(const format::Manifest& manifest) {
    return manifest.image + "/" + std::to_string(manifest.version) + "/" + manifest_name;
}

// Of a manifest as it was served.
Result<Source> served_source(const net::Url& manifest_url, Document document) {
    Result<format::Manifest> manifest = format::parse_manifest(document.text);
    if (!manifest) return manifest.error().context(manifest_url.shown()).as(Failure::source);
    Result<Source> source = source_of(manifest_url, *std::move(manifest), std::move(document.text));
    if (source) source->signature = std::move(document.signature);
    return source;
}

// With `named` it is the one of the version that this channel names.
Result<void> check_manifest(const net::Url& url, const std::string& text, const Trust& trust,
                            const format::Channel* named = nullptr) {
    const Result<format::Manifest> manifest = format::parse_manifest(text);
    if (!manifest) return manifest.error().context(url.shown()).as(Failure::source);
    if (Result<void> right = check_place(url, path_of(*manifest), trust); !right) return right;
    if (!named || (manifest->image == named->image && manifest->version == named->version)) return {};
    return Error{Failure::source, "the channel points at version " + std::to_string(named->version) + " of " +
                                      named->image + ", but " + url.shown() + " is of version " +
                                      std::to_string(manifest->version) + " of " + manifest->image};
}

// With keys, and `known`: no channel that is older than when it was believed last.
Result<void> check_channel(const net::Url& url, const std::string& text, const Trust& trust,
                           const std::optional<Known>& known) {
    const Result<format::Channel> channel = format::parse_channel(text);
    if (!channel) return channel.error().context(url.shown()).as(Failure::source);
    if (!trust.has_keys()) return {};
    if (Result<void> right = check_place(url, channel->image + "/" + channel->name + ".json", trust); !right)
        return right;
    const SignedChannel* const before =
        known && channel->image == known->image ? known->channels.with_name(channel->name) : nullptr;
    if (Result<void> fresh = trust.check_age(channel->issued, before ? before->issued : 0); !fresh)
        return fresh.error().context(url.shown());
    if (!before || channel->serial >= before->serial) return {};
    return Error{Failure::source, url.shown() + " is an old one: its serial number is " +
                                      std::to_string(channel->serial) + ", and the last one was " +
                                      std::to_string(before->serial)};
}

Result<Offered> offered_by_channel(net::Fetcher& fetcher, const net::Url& url, Document document,
                                   const Trust& trust, const std::optional<Known>& known) {
    const Result<format::Channel> channel = format::parse_channel(document.text);
    if (!channel) return channel.error().context(url.shown()).as(Failure::source);
    const SignedChannel served{*channel, std::move(document.text), std::move(document.signature)};
    if (known && offers_nothing(served, *known))
        return Offered{std::nullopt, served, withheld(served, *known)};
    const Result<net::Url> manifest_url = url.sibling(std::to_string(channel->version) + "/" + manifest_name);
    if (!manifest_url) return manifest_url.error();
    Result<Document> manifest = get_document(
        fetcher, *manifest_url, format::max_manifest_size, trust, [&](const std::string& manifest_text) {
            return check_manifest(*manifest_url, manifest_text, trust, &*channel);
        });
    if (!manifest) return manifest.error();
    Result<Source> source = served_source(*manifest_url, *std::move(manifest));
    if (!source) return source.error();
    source->channel = served;
    return Offered{*std::move(source), served};
}

bool names_a_manifest(const net::Url& url) {
    return url.file_name() == manifest_name;
}

Result<Offered> ask(net::Fetcher& fetcher, const net::Url& url, const Trust& trust,
                    const std::optional<Known>& known) {
    const bool is_channel = !names_a_manifest(url);
    const auto check = [&](const std::string& text) -> Result<void> {
        const Result<format::DocumentType> type = format::document_type(text);
        if (!type) return type.error().context(url.shown()).as(Failure::source);
        // installed_source() tells them apart by the name, when nothing is to be fetched.
        if ((*type == format::DocumentType::channel) != is_channel)
            return Error{Failure::source,
                         url.shown() + " is a " + (is_channel ? "manifest" : "channel") +
                             ", but a manifest is called manifest.json and a channel is not: "
                             "publish it under its name"};
        return is_channel ? check_channel(url, text, trust, known) : check_manifest(url, text, trust);
    };
    Result<Document> document = get_document(
        fetcher, url, std::max(format::max_manifest_size, format::max_channel_size), trust, check, known);
    if (!document) return document.error();
    Offered offered;
    if (is_channel) {
        Result<Offered> of_channel = offered_by_channel(fetcher, url, *std::move(document), trust, known);
        if (!of_channel) return of_channel;
        offered = *std::move(of_channel);
    } else {
        Result<Source> of_manifest = served_source(url, *std::move(document));
        if (!of_manifest) return of_manifest.error();
        offered.source = *std::move(of_manifest);
    }
    if (offered.source) offered.source->document = url.shown();
    return offered;
}

}  // namespace

std::string image_at(const net::Url& url) {
    const Result<net::Url> folder = url.sibling(names_a_manifest(url) ? "../" : "./");
    if (!folder) return "";
    const std::string& text = folder->shown();
    const std::size_t end = text.find_last_not_of('/');
    const std::size_t slash = end == std::string::npos ? end : text.rfind('/', end);
    if (slash == std::string::npos) return "";
    std::string name = text.substr(slash + 1, end - slash);
    return format::is_valid_name(name) ? name : "";
}

Result<Source> offered_source(net::Fetcher& fetcher, const net::Url& url, const Trust& trust) {
    Result<Offered> offered = ask(fetcher, url, trust, {});
    if (!offered) return offered.error();
    return *std::move(offered->source);
}

Result<Offered> offered_but(net::Fetcher& fetcher, const net::Url& url, const Trust& trust,
                            const Known& known) {
    return ask(fetcher, url, trust, known);
}

Result<net::Url> manifest_url(const net::Url& url, std::uint64_t version) {
    const std::string beside = std::to_string(version) + "/" + manifest_name;
    return url.sibling(names_a_manifest(url) ? "../" + beside : beside);
}

Result<Source> installed_source(const net::Url& url, const std::string& manifest_text) {
    Result<format::Manifest> manifest = format::parse_manifest(manifest_text);
    if (!manifest) return manifest.error();
    const Result<net::Url> of_version = manifest_url(url, manifest->version);
    if (!of_version) return of_version.error();
    return source_of(*of_version, *std::move(manifest), manifest_text);
}

}  // namespace regild::store
