// SPDX-License-Identifier: GPL-2.0-or-later
#include "format/manifest.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "format/json.hpp"
#include "format/write_log.hpp"

namespace regild::format {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* manifest_type = "regild-manifest";
constexpr const char* channel_type = "regild-channel";
constexpr std::uint64_t format_number = 1;
constexpr std::size_t max_image_name_size = 63;
constexpr std::size_t max_file_name_size = 255;

constexpr std::string_view lower_and_digits = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view name_characters = "abcdefghijklmnopqrstuvwxyz0123456789._-";
constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

// A file beside the manifest: nothing that a path or a URL could read as something else.
bool is_file_name(std::string_view name) {
    const auto is_of = [](char c, std::string_view set) { return set.find(c) != std::string_view::npos; };
    return !name.empty() && name.size() <= max_file_name_size &&
           (is_of(name[0], lower_and_digits) || is_of(name[0], upper)) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_of(c, name_characters) || is_of(c, upper); });
}

// Looked at before all else: what else a document of another kind or format may hold, or one that asks for
// more than this version knows, is not known here.
Result<void> take_kind(ObjectReader& reader, const char* type) {
    if (reader.text("type") != type) reader.fail("type", std::string("is not \"") + type + "\"");
    const std::uint64_t number = reader.number("format", 0, UINT64_MAX);
    if (number != format_number)
        reader.fail("format", "is " + std::to_string(number) + ", and this regild knows only " +
                                  std::to_string(format_number) + ": a newer regild is needed");
    if (Result<void> right_kind = reader.so_far(); !right_kind || !reader.has("requires")) return right_kind;
    // Every name is unknown as yet.
    const std::vector<std::string> required = reader.texts("requires");
    if (!required.empty())
        reader.fail("requires", "names '" + printable(required[0].substr(0, 64)) +
                                    "', which this regild does not know: a newer regild is needed");
    return reader.so_far();
}

std::string take_image(ObjectReader& reader) {
    std::string image = reader.text("image");
    if (!is_valid_name(image))
        reader.fail("image", "must be 1 to 63 of a-z 0-9 . _ - and begin with a letter or digit");
    return image;
}

std::string take_file(ObjectReader& reader, const char* key) {
    std::string file = reader.text(key);
    if (!is_file_name(file)) reader.fail(key, "must be the name of a file beside the manifest");
    return file;
}

ByteVector take_hex(ObjectReader& reader, const char* key, std::size_t min_size, std::size_t max_size) {
    const std::optional<ByteVector> bytes = from_hex(reader.text(key));
    if (bytes && bytes->size() >= min_size && bytes->size() <= max_size) return *bytes;
    reader.fail(key, "must be " + std::to_string(2 * min_size) +
                         (min_size == max_size ? "" : " to " + std::to_string(2 * max_size)) +
                         " hexadecimal digits");
    return ByteVector(min_size);
}

Uuid take_uuid(ObjectReader& reader, const char* key) {
    const Result<Uuid> uuid = Uuid::parse(reader.text(key));
    if (uuid) return *uuid;
    reader.fail(key, "must be a UUID");
    return {};
}

Error manifest_error(const Error& error) {
    return error.context("the manifest cannot be used");
}
Error channel_error(const Error& error) {
    return error.context("the channel file cannot be used");
}

}  // namespace

bool is_valid_name(std::string_view name) {
    return !name.empty() && name.size() <= max_image_name_size &&
           lower_and_digits.find(name[0]) != std::string_view::npos &&
           name.find_first_not_of(name_characters) == std::string_view::npos;
}

Result<Manifest> parse_manifest(std::string_view text) {
    const Result<json> document = parse_json_object(text, max_manifest_size, Failure::failed);
    if (!document) return manifest_error(document.error());
    ObjectReader reader(*document, Failure::failed);
    if (const Result<void> kind = take_kind(reader, manifest_type); !kind)
        return manifest_error(kind.error());

    std::string image = take_image(reader);
    const std::uint64_t version = reader.number("version", 1, max_version);
    const Bytes size(reader.number("size", 512, INT64_MAX));
    if (size.count() % 512 != 0) reader.fail("size", "must be a multiple of 512");
    const Result<BlockSize> block_size = BlockSize::from_bytes(reader.number("block_size", 0, UINT64_MAX));
    if (!block_size) reader.fail("block_size", "must be a power of two from 4096 to 524288");

    ObjectReader data = reader.object("data");
    std::string data_file = take_file(data, "file");
    std::string index_file = take_file(data, "index");
    if (data.text("compression") != "zstd") data.fail("compression", "must be \"zstd\"");
    reader.absorb(data);

    ObjectReader tree = reader.object("tree");
    std::string tree_file = take_file(tree, "file");
    if (tree.text("algorithm") != "sha256") tree.fail("algorithm", "must be \"sha256\"");
    if (tree.number("hash_block_size", 0, UINT64_MAX) != hash_block_size)
        tree.fail("hash_block_size", "must be 4096");
    ByteVector salt = take_hex(tree, "salt", 0, max_salt_size);
    const Uuid tree_uuid = take_uuid(tree, "uuid");
    const ByteVector root_hash = take_hex(tree, "root_hash", sizeof(Digest), sizeof(Digest));
    reader.absorb(tree);
    if (const Result<void> result = reader.so_far(); !result) return manifest_error(result.error());

    // A volume that no log can describe is no volume.
    if (const Result<LogGeometry> geometry = LogGeometry::make(size, *block_size); !geometry)
        return manifest_error(geometry.error());
    Manifest manifest{.image = std::move(image),
                      .version = version,
                      .size = size,
                      .block_size = *block_size,
                      .data_file = std::move(data_file),
                      .index_file = std::move(index_file),
                      .tree_file = std::move(tree_file),
                      .salt = std::move(salt),
                      .tree_uuid = tree_uuid,
                      .root_hash = {}};
    std::copy(root_hash.begin(), root_hash.end(), manifest.root_hash.begin());
    return manifest;
}

bool are_comparable(const Manifest& a, const Manifest& b) {
    return a.size == b.size && a.block_size == b.block_size && a.salt == b.salt;
}

std::string serialize_manifest(const Manifest& manifest) {
    const ordered_json document = {
        {"type", manifest_type},
        {"format", format_number},
        {"image", manifest.image},
        {"version", manifest.version},
        {"size", manifest.size.count()},
        {"block_size", manifest.block_size.bytes().count()},
        {"data", {{"file", manifest.data_file}, {"index", manifest.index_file}, {"compression", "zstd"}}},
        {"tree",
         {{"file", manifest.tree_file},
          {"algorithm", "sha256"},
          {"hash_block_size", hash_block_size},
          {"salt", to_hex(manifest.salt)},
          {"uuid", manifest.tree_uuid.text()},
          {"root_hash", to_hex(manifest.root_hash)}}}};
    return document.dump(4) + "\n";
}

Result<Channel> parse_channel(std::string_view text) {
    const Result<json> document = parse_json_object(text, max_channel_size, Failure::failed);
    if (!document) return channel_error(document.error());
    ObjectReader reader(*document, Failure::failed);
    if (const Result<void> kind = take_kind(reader, channel_type); !kind) return channel_error(kind.error());
    Channel channel;
    channel.image = take_image(reader);
    channel.version = reader.number("version", 1, max_version);
    channel.name = reader.text("channel");
    if (!is_valid_name(channel.name)) reader.fail("channel", "must be the name of the channel");
    channel.serial = reader.number("serial", 1, max_version);
    const std::optional<std::uint64_t> issued = parse_utc(reader.text("issued"));
    if (!issued) reader.fail("issued", "must be a time such as \"2026-11-27T12:00:00Z\"");
    channel.issued = issued.value_or(0);
    if (reader.has("percent")) {
        channel.percent = static_cast<unsigned>(reader.number("percent", 1, 100));
        channel.salt = reader.text("salt");
        if (channel.salt.empty()) reader.fail("salt", "must not be empty");
    }
    if (reader.has("hold_back")) channel.hold_back = take_tags(reader, "hold_back");
    if (const Result<void> result = reader.so_far(); !result) return channel_error(result.error());
    return channel;
}

std::vector<std::string> take_tags(ObjectReader& reader, const char* key) {
    std::vector<std::string> tags = reader.texts(key);
    if (tags.size() > max_tags) reader.fail(key, "must have at most " + std::to_string(max_tags) + " tags");
    for (const std::string& tag : tags)
        if (!is_valid_name(tag)) reader.fail(key, "must be a list of names");
    return tags;
}

std::string serialize_channel(const Channel& channel) {
    ordered_json document = {{"type", channel_type},      {"format", format_number},
                             {"image", channel.image},    {"channel", channel.name},
                             {"serial", channel.serial},  {"issued", utc_text(channel.issued)},
                             {"version", channel.version}};
    if (channel.percent != 100) {
        document["percent"] = channel.percent;
        document["salt"] = channel.salt;
    }
    if (!channel.hold_back.empty()) document["hold_back"] = channel.hold_back;
    return document.dump(4) + "\n";
}

Result<DocumentType> document_type(std::string_view text) {
    const auto error = [](const Error& why) {
        return why.context("this is neither a manifest nor a channel file");
    };
    const Result<json> document = parse_json_object(text, max_manifest_size, Failure::failed);
    if (!document) return error(document.error());
    ObjectReader reader(*document, Failure::failed);
    const std::string type = reader.text("type");
    if (type == manifest_type) return DocumentType::manifest;
    if (type == channel_type) return DocumentType::channel;
    reader.fail("type", "is something else");
    return error(reader.so_far().error());
}

}  // namespace regild::format
