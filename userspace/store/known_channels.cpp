// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/known_channels.hpp"

#include <algorithm>

namespace regild::store {

static_assert(codec::signature_size <= format::max_signature_size);

KnownChannels::KnownChannels(const format::KeptChannels& kept, const std::string& image, const Trust& trust) {
    if (!trust.has_keys()) return;
    for (const format::KeptChannel& each : kept) {
        if (!trust.check(each.text, each.signature)) continue;
        const Result<format::Channel> channel = format::parse_channel(each.text);
        if (channel && channel->image == image && !with_name(channel->name))
            channels_.push_back({*channel, each.text, each.signature});
    }
}

const SignedChannel* KnownChannels::with_name(const std::string& name) const {
    const auto found = std::ranges::find(channels_, name, &SignedChannel::name);
    return found == channels_.end() ? nullptr : &*found;
}

const SignedChannel* KnownChannels::with_text(const std::string& text) const {
    const auto found = std::ranges::find(channels_, text, &SignedChannel::text);
    return found == channels_.end() ? nullptr : &*found;
}

format::KeptChannels KnownChannels::kept_with(const SignedChannel& believed) const {
    format::KeptChannels kept{{believed.text, believed.signature}};
    for (const SignedChannel& each : channels_)
        if (each.name != believed.name && kept.size() < format::max_channels)
            kept.push_back({each.text, each.signature});
    return kept;
}

}  // namespace regild::store
