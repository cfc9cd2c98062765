// SPDX-License-Identifier: GPL-2.0-or-later
// How a command reaches the source: its options and the keys of the configuration that bear the same names.
#pragma once

#include <memory>
#include <vector>

#include "cli/command.hpp"
#include "format/configuration.hpp"
#include "net/fetcher.hpp"

namespace regild::cli {

// Those of every command that asks a server, in the order of --help: between `first` and `last`.
std::vector<Option> with_transport_options(std::vector<Option> first, const std::vector<Option>& last);

// What these options say takes the place of what the configuration `into` says, before --source does; of two
// rates the lower one counts.
// Failure::usage: a proxy with a password, which is no argument because every user sees those; a source at a
// server that the token and headers of the configuration are not for.
Result<void> take_transport(const Arguments& arguments, format::Configuration& into);

// Reads the files that the configuration names. Failure::usage says which one is no good.
Result<net::FetchOptions> fetch_options_of(const format::Configuration& configuration);

// Asks the source, and where that fails its mirrors, each through what `wrap` makes, if it is given. The
// observer outlives it.
std::unique_ptr<net::Fetcher> make_fetcher(const format::Configuration& configuration,
                                           net::FetchOptions options, Observer& observer,
                                           const StopFlag& stop, const net::WrapFetcher& wrap = {});

}  // namespace regild::cli
