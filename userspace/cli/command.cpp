// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/command.hpp"

#include <getopt.h>

#include <algorithm>
#include <charconv>

#include "cli/suggestion.hpp"

namespace regild::cli {
namespace {

constexpr Option help_option{"help", nullptr, "show this help"};
constexpr Option version_option{"version", nullptr, "show the version"};
constexpr std::size_t help_column = 24;

bool has_own_version(const Command& command) {
    return std::any_of(command.options.begin(), command.options.end(), [](const Option& option) {
        return std::string_view(option.name) == version_option.name;
    });
}

std::vector<Option> all_options(const Command& command) {
    std::vector<Option> options = command.options;
    options.push_back(help_option);
    if (!has_own_version(command)) options.push_back(version_option);
    return options;
}

std::string with_value(const Option& option) {
    return std::string("--") + option.name + (option.value ? std::string(" ") + option.value : "");
}

Error usage_error(const Command& command, const std::string& what) {
    const std::string name = command.name;
    return {Failure::usage, name + ": " + what + "; see 'regild " + name + " --help'"};
}

// `word` is as it was typed. Behind a '=' stands a value, which may be a secret.
Error unknown_option(const Command& command, std::string_view word) {
    const std::string_view name = word.substr(0, word.find('='));
    std::vector<std::string> names;
    for (const Option& option : all_options(command))
        names.push_back(std::string("--") + option.name);
    const std::vector<std::string_view> known(names.begin(), names.end());
    return usage_error(command, "unknown option" + quoted_name(name) + suggestion(name, known));
}

}  // namespace

Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& words) {
    const std::vector<Option> options = all_options(command);
    std::vector<option> table;
    table.reserve(options.size() + 1);
    for (const Option& option : options)
        table.push_back({option.name, option.value ? required_argument : no_argument, nullptr, 0});
    table.push_back({});
    std::vector<std::string> storage = words;
    std::vector<char*> argv{nullptr};  // getopt_long skips the program's name
    argv.reserve(storage.size() + 2);
    for (std::string& word : storage)
        argv.push_back(word.data());
    const int argc = static_cast<int>(argv.size());
    argv.push_back(nullptr);

    Arguments arguments;
    optind = 0;  // glibc: start anew
    opterr = 0;
    for (;;) {
        int index = 0;
        const int found = getopt_long(argc, argv.data(), ":", table.data(), &index);
        if (found == -1) break;
        if (found == ':')
            return usage_error(command, "option" + quoted_name(argv[optind - 1]) + " needs a value");
        if (found != 0) {
            // A short option leaves its letter in optopt and, inside a group, optind where it was.
            return unknown_option(command, optopt > ' ' && optopt < 0x7f
                                               ? std::string("-") + static_cast<char>(optopt)
                                               : std::string(argv[optind - 1]));
        }
        const Option& option = options[static_cast<std::size_t>(index)];
        if (!arguments.options_.emplace(option.name, optarg ? optarg : "").second)
            return usage_error(command, std::string("--") + option.name + " is given twice");
    }
    for (int i = optind; i < argc; i++)
        arguments.operands_.emplace_back(argv[i]);
    if (arguments.has(help_option.name) || asks_for_version(command, arguments)) return arguments;

    const auto check_need = [&](Need need, const std::string& what) -> Result<void> {
        if (need == Need::none || (need == Need::here_or_in_configuration && arguments.has("config")))
            return {};
        return usage_error(command,
                           what + " is missing" +
                               (need == Need::here ? "" : ", and no --config FILE is there to take it from"));
    };
    for (const Option& option : options) {
        if (arguments.has(option.name)) continue;
        if (Result<void> fine = check_need(option.need, with_value(option)); !fine) return fine.error();
    }
    const std::size_t most = !command.operands ? 0 : command.many_operands ? command.most_operands : 1;
    const std::size_t least = most == 0 ? 0 : command.least_operands;
    const std::size_t count = arguments.operands_.size();
    // The stray one is not repeated: it may be a URL with a password.
    if (count > most || (count > 0 && count < least))
        return usage_error(command, std::to_string(count) + (count == 1 ? " argument" : " arguments") +
                                        " beside options, but it takes " +
                                        (most == 0   ? "none"
                                         : most == 1 ? std::string("one, ") + command.operands
                                                     : command.operands));
    if (command.operands && arguments.operands_.empty()) {
        if (Result<void> fine = check_need(command.operand_need, command.operands); !fine)
            return fine.error();
    }
    return arguments;
}

bool asks_for_version(const Command& command, const Arguments& arguments) {
    return arguments.has(version_option.name) && !has_own_version(command);
}

std::string help_text(const Command& command) {
    std::string usage = std::string("Usage: regild ") + command.name;
    if (command.operands) usage += std::string(" ") + command.operands;
    std::string list;
    for (const Option& option : all_options(command)) {
        if (option.need != Need::none) usage += " " + with_value(option);
        std::string line = "  " + with_value(option);
        line.resize(std::max(line.size() + 1, help_column), ' ');
        list += line + option.help + "\n";
    }
    if (!command.options.empty() &&
        !std::all_of(command.options.begin(), command.options.end(),
                     [](const Option& option) { return option.need == Need::here; }))
        usage += " [OPTION]...";
    return usage + "\n\n" + command.description + "\n\nOptions:\n" + list +
           "\nExit codes, files and examples: regild(8).\n";
}

Result<std::uint64_t> parse_number(const std::string& what, const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        return Error{Failure::usage, what + ": '" + text + "' is not a number"};
    return number;
}

}  // namespace regild::cli
