// SPDX-License-Identifier: GPL-2.0-or-later
// Which devices and which source a command is about: its options say so, or the configuration of the machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "format/configuration.hpp"
#include "net/fetcher.hpp"
#include "store/trust.hpp"
#include "volume/nearby_devices.hpp"

namespace regild::cli {

inline constexpr Option config_option{"config", "FILE", "take what is not given from this regild.json(5)"};
inline constexpr Option data_option{"data", "DEV", "the disk: a path or PARTLABEL=, PARTUUID=, LABEL=, UUID=",
                                    Need::here_or_in_configuration};
inline constexpr Option log_option{"log", "DEV", "its write log, likewise", Need::here_or_in_configuration};
inline constexpr Option source_option{"source", "URL", "the manifest or channel (http, https or file)",
                                      Need::here_or_in_configuration};
inline constexpr Option cache_option{"cache", "DEV", "where fetched blocks are kept (default: none)"};
inline constexpr Option golden_copy_option{
    "golden-copy", "DEV", "a device or file with the image as it is, read before the network"};
inline constexpr Option keys_option{"keys", "FILE",
                                    "believe only what one of these public keys signed (PEM)"};
inline constexpr Option adopt_option{"adopt", nullptr, "overwrite devices that hold something else"};
inline constexpr Option allow_downgrade_option{"allow-downgrade", nullptr,
                                               "go below the log's version floor"};
inline constexpr Option allow_discards_option{"allow-discards", nullptr,
                                              "pass discards to the disk; they mark blocks"};
inline constexpr Option max_fetch_option{"max-fetch", "SIZE", "refuse what needs more from the network"};
inline constexpr Option read_back_option{"read-back", nullptr, "read what was written again, and hash it"};
inline constexpr Option json_option{"json", nullptr, "print JSON, as regild(8) documents it"};

// Failure::usage names the file and what is wrong with it.
Result<format::Configuration> read_configuration(const std::string& path);

// Of the source and its mirrors, in their order. Failure::usage: one is no source, or mirrors differ in the
// name of their file.
Result<std::vector<net::Url>> sources_of(const format::Configuration& configuration);
// Of a file. Failure::usage: there are none in it, or it cannot be read.
Result<codec::PublicKeys> read_keys(const std::string& path);
// What the file of keys says that the configuration names. Failure::usage: there are none in it, or it cannot
// be read.
Result<store::Trust> trust_of(const format::Configuration& configuration);
// The cache that the configuration names; an empty one where it names none.
Result<volume::OpenCache> cache_of(const format::Configuration& configuration);
// The same to be read only, whoever has it.
Result<volume::OpenCache> look_at_cache_of(const format::Configuration& configuration);
// The configuration that --config names, or the defaults, with what the options say in its place.
Result<format::Configuration> configuration_of(const Arguments& arguments);

}  // namespace regild::cli
