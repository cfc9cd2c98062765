// SPDX-License-Identifier: GPL-2.0-or-later
// regild list: what a store holds.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "base/utc.hpp"
#include "cli/configuration_file.hpp"
#include "cli/json_text.hpp"
#include "publish/listing.hpp"

namespace regild::cli {
namespace {

using nlohmann::ordered_json;
using publish::ListedChannel;
using publish::ListedImage;
using publish::ListedVersion;
using publish::SignatureState;

const char* to_string(SignatureState signature) {
    switch (signature) {
        case SignatureState::none:
            return "none";
        case SignatureState::unchecked:
            return "unchecked";
        case SignatureState::good:
            return "good";
        case SignatureState::bad:
            break;
    }
    return "bad";
}

const char* signature_text(SignatureState signature) {
    switch (signature) {
        case SignatureState::none:
            return "not signed";
        case SignatureState::unchecked:
            return "has a signature";
        case SignatureState::good:
            return "signed";
        case SignatureState::bad:
            break;
    }
    return "signature does not fit";
}

ordered_json text_or_null(const std::string& text) {
    return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

ordered_json version_json(const ListedVersion& version) {
    ordered_json json{{"version", version.number}, {"size", nullptr},      {"block_size", nullptr},
                      {"data_bytes", nullptr},     {"published", nullptr}, {"signature", nullptr}};
    if (version.published) json["published"] = utc_text(*version.published);
    if (version.manifest) {
        json["size"] = version.manifest->size.count();
        json["block_size"] = version.manifest->block_size.bytes().count();
        json["data_bytes"] = version.data.count();
        json["signature"] = to_string(version.signature);
    }
    json["problem"] = text_or_null(version.problem);
    return json;
}

ordered_json channel_json(const ListedChannel& channel) {
    ordered_json json{{"channel", channel.name}, {"version", nullptr}, {"serial", nullptr},
                      {"issued", nullptr},       {"percent", nullptr}, {"hold_back", nullptr},
                      {"signature", nullptr}};
    if (channel.channel) {
        json["version"] = channel.channel->version;
        json["serial"] = channel.channel->serial;
        json["issued"] = utc_text(channel.channel->issued);
        json["percent"] = channel.channel->percent;
        json["hold_back"] = channel.channel->hold_back;
        json["signature"] = to_string(channel.signature);
    }
    json["problem"] = text_or_null(channel.problem);
    return json;
}

void print_json(std::ostream& out, const std::vector<ListedImage>& images) {
    ordered_json list = ordered_json::array();
    for (const ListedImage& image : images) {
        ordered_json versions = ordered_json::array();
        for (const ListedVersion& version : image.versions)
            versions.push_back(version_json(version));
        ordered_json channels = ordered_json::array();
        for (const ListedChannel& channel : image.channels)
            channels.push_back(channel_json(channel));
        list.push_back({{"image", image.name},
                        {"versions", versions},
                        {"channels", channels},
                        {"unfinished", image.unfinished},
                        {"problem", text_or_null(image.problem)}});
    }
    out << json_text({{"images", list}});
}

std::string problem_text(const std::string& problem, bool alone) {
    return problem.empty() ? "" : (alone ? "PROBLEM: " : "; PROBLEM: ") + problem;
}

std::string version_text(const ListedVersion& version) {
    if (!version.manifest) return problem_text(version.problem, true);
    return format_size(version.manifest->size) + ", compressed to " + format_size(version.data) +
           (version.published ? ", published " + utc_text(*version.published) : "") + ", " +
           signature_text(version.signature) + problem_text(version.problem, false);
}

std::string channel_text(const ListedChannel& channel) {
    if (!channel.channel) return problem_text(channel.problem, true);
    const format::Channel& says = *channel.channel;
    std::string text = "version " + std::to_string(says.version);
    if (says.percent < 100) text += " for " + std::to_string(says.percent) + " %";
    const char* separator = ", not for ";
    for (const std::string& tag : says.hold_back) {
        text += separator + tag;
        separator = " ";
    }
    return text + ", serial number " + std::to_string(says.serial) + ", issued " + utc_text(says.issued) +
           ", " + signature_text(channel.signature) + problem_text(channel.problem, false);
}

void print_image(std::ostream& out, const ListedImage& image) {
    out << "image " << image.name << problem_text(image.problem, false) << "\n";
    std::vector<std::pair<std::string, std::string>> lines;
    for (const ListedVersion& version : image.versions)
        lines.emplace_back("version " + std::to_string(version.number), version_text(version));
    for (const ListedChannel& channel : image.channels)
        lines.emplace_back("channel " + channel.name, channel_text(channel));
    for (const std::string& name : image.unfinished)
        lines.emplace_back("unfinished", name + ": a publish is at work, or was cut off");
    std::size_t width = 0;
    for (const auto& [what, text] : lines)
        width = std::max(width, what.size());
    for (const auto& [what, text] : lines)
        out << "  " << printable(what) << std::string(width - what.size() + 2, ' ') << printable(text)
            << "\n";
}

Result<ExitCode> run_list(const Environment& environment, const Arguments& arguments) {
    publish::Keys keys;
    if (arguments.has(keys_option.name)) {
        Result<codec::PublicKeys> read = read_keys(arguments.value(keys_option.name));
        if (!read) return read.error();
        keys = *std::move(read);
    }
    const std::string& store = arguments.operands()[0];
    std::vector<ListedImage> images;
    if (arguments.operands().size() > 1) {
        Result<ListedImage> image = publish::list_image(store, arguments.operands()[1], keys);
        if (!image) return image.error();
        images.push_back(*std::move(image));
    } else {
        Result<std::vector<ListedImage>> all = publish::list_store(store, keys);
        if (!all) return all.error();
        images = *std::move(all);
    }
    if (arguments.has(json_option.name)) {
        print_json(environment.out, images);
    } else {
        for (const ListedImage& image : images)
            print_image(environment.out, image);
        if (images.empty()) environment.out << "no image is in " << printable(store) << "\n";
    }
    return std::ranges::all_of(images, &ListedImage::is_sound) ? ExitCode::clean : ExitCode::source;
}

}  // namespace

const Command list_command{
    .name = "list",
    .summary = "show the versions and channels of a store",
    .description =
        "Shows the images in the folder STORE, or IMAGE alone: their versions and the\n"
        "channels. With --keys the signatures are checked. The exit code is 7 if there is\n"
        "something that kiosks cannot use; the rest is listed all the same.",
    .options = {keys_option, json_option},
    .operands = "STORE [IMAGE]",
    .many_operands = true,
    .most_operands = 2,
    .run = run_list};

}  // namespace regild::cli
