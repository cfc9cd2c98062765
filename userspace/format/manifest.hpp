// SPDX-License-Identifier: GPL-2.0-or-later
// manifest.json says what one version of an image is; <channel>.json says which version is current.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/units.hpp"
#include "base/uuid.hpp"
#include "format/hash_tree.hpp"
#include "format/write_log.hpp"

namespace regild::format {

// Three manifests, four channels and their signatures fit into an image record.
inline constexpr std::size_t max_manifest_size = 3072;
inline constexpr std::size_t max_channel_size = 1280;
inline constexpr std::uint64_t max_version = (std::uint64_t{1} << 53) - 1;  // exact in every JSON reader

struct Manifest {
    std::string image;          // [a-z0-9][a-z0-9._-]{0,62}
    std::uint64_t version = 0;  // 1 to max_version
    Bytes size;                 // a multiple of 512; the mapping is exactly this long
    BlockSize block_size;
    std::string data_file;  // its frames; names beside the manifest, no '/'
    std::string index_file;
    std::string tree_file;
    ByteVector salt;  // of the hash tree, at most max_salt_size
    Uuid tree_uuid;
    Digest root_hash;

    Blocks blocks() const { return block_size.blocks_in(size); }
    // Of the log of a volume that holds this: parse_manifest() refuses what no log can describe.
    LogGeometry log_geometry() const { return LogGeometry::make(size, block_size).value(); }
    Bytes padded_size() const { return block_size.bytes_of(blocks()); }
    bool operator==(const Manifest&) const = default;
};

// Whether the blocks of both can be told apart by their digests: the size, the size of a block and the salt
// are the same.
bool are_comparable(const Manifest& a, const Manifest& b);

// Bytes of a stranger: bounded size; duplicate keys, wrong types and ranges are errors that name the key.
// Unknown keys are let pass, but a name in `requires` that this version does not know is an error.
Result<Manifest> parse_manifest(std::string_view json);
std::string serialize_manifest(
    const Manifest& manifest);  // indented, keys in a fixed order, ends in a newline

struct Channel {
    std::string image;
    std::uint64_t version = 0;
    std::string name;          // of the channel itself: its file is <name>.json
    std::uint64_t serial = 0;  // 1 to max_version: higher each time that the channel is written
    std::uint64_t issued = 0;  // when it was written, in seconds since 1970: never goes back
    unsigned percent =
        100;             // 1 to 100: of the machines that have another version, which are to take this one
    std::string salt{};  // by which they are chosen; "" where all are
    std::vector<std::string> hold_back{};  // tags of machines that are not to take it
    bool operator==(const Channel&) const = default;
};
Result<Channel> parse_channel(std::string_view json);
std::string serialize_channel(const Channel& channel);
bool is_valid_name(std::string_view name);  // of an image, a channel or a tag
// In a channel, or of a machine.
inline constexpr std::size_t max_tags = 32;
// Failure of `reader` where there are more, or one that is no name.
std::vector<std::string> take_tags(class ObjectReader& reader, const char* key);

// A source is a manifest or a channel: told apart by their "type" key.
enum class DocumentType { manifest, channel };
Result<DocumentType> document_type(std::string_view json);

}  // namespace regild::format
