// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/run.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/progress.hpp"
#include "cli/suggestion.hpp"

namespace regild::cli {
namespace {

constexpr const char* see_help = "; see 'regild --help'";
constexpr std::size_t name_column = 12;

constexpr std::array commands{&publish_command,   &promote_command, &list_command,   &gc_command,
                              &diff_command,      &keygen_command,  &sign_command,   &format_command,
                              &provision_command, &restore_command, &update_command, &verify_command,
                              &status_command,    &dirty_command,   &mark_command,   &map_command,
                              &unmap_command,     &cache_command,   &boot_command,   &mark_good_command,
                              &thaw_command,      &freeze_command,  &capture_command};

StopFlag stop_flag;

void print_help(std::ostream& out) {
    out << "Usage: regild COMMAND [OPTION]...\n\n"
           "Keeps a disk golden: restores it to a published image by rewriting only the\n"
           "blocks that were written since.\n\nCommands:\n";
    for (const Command* command : commands) {
        std::string line = std::string("  ") + command->name;
        line.resize(std::max(line.size() + 1, name_column), ' ');
        out << line << command->summary << "\n";
    }
    out << "\n'regild help COMMAND' tells more about each, regild(8) tells all.\n";
}

void print_version(std::ostream& out) {
    out << "regild " REGILD_VERSION "\n";
}

Result<const Command*> find_command(const std::string& name) {
    std::vector<std::string_view> names;
    for (const Command* command : commands) {
        if (name == command->name) return command;
        names.emplace_back(command->name);
    }
    return Error{Failure::usage, (name.starts_with('-') ? "unknown option" : "unknown command") +
                                     quoted_name(name) + suggestion(name, names) + see_help};
}

Result<ExitCode> run(const std::vector<std::string>& words, const Environment& environment) {
    if (words.empty()) return Error{Failure::usage, std::string("no command is given") + see_help};
    const std::string& name = words[0];
    if (name == "help" && words.size() == 2) {
        const Result<const Command*> command = find_command(words[1]);
        if (!command) return command.error();
        environment.out << help_text(**command);
        return ExitCode::clean;
    }
    if (name == "--help" || name == "-h" || name == "help") {
        print_help(environment.out);
        return ExitCode::clean;
    }
    if (name == "--version" || name == "-V") {
        print_version(environment.out);
        return ExitCode::clean;
    }
    const Result<const Command*> found = find_command(name);
    if (!found) return found.error();
    const Command& command = **found;
    const Result<Arguments> arguments = parse_arguments(command, {words.begin() + 1, words.end()});
    if (!arguments) return arguments.error();
    if (arguments->has("help")) {
        environment.out << help_text(command);
        return ExitCode::clean;
    }
    if (asks_for_version(command, *arguments)) {
        print_version(environment.out);
        return ExitCode::clean;
    }
    return command.run(environment, *arguments);
}

bool stdout_has_no_reader() {
    pollfd out{STDOUT_FILENO, 0, 0};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

bool is_redrawing_terminal(int fd) {
    const char* term = getenv("TERM");
    return isatty(fd) == 1 && term && std::string(term) != "dumb";
}

}  // namespace

ExitCode run_words(const std::vector<std::string>& words, const Environment& environment) {
    const Result<ExitCode> result = run(words, environment);
    if (!result) environment.err << "regild: " << printable(result.error().message) << std::endl;
    if (!environment.out.flush()) {
        if (environment.reader_left()) return ExitCode::reader_left;
        environment.err << "regild: cannot write to the standard output" << std::endl;
        return ExitCode::failed;
    }
    return result ? *result : exit_code_of(result.error().kind);
}

int run_cli(int argc, char** argv) {
    struct sigaction action {};
    action.sa_handler = [](int) { stop_flag.request(); };
    action.sa_flags = static_cast<int>(SA_RESTART | SA_RESETHAND);
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    // Neither a console nor a TLS connection that goes away may end a restore.
    signal(SIGPIPE, SIG_IGN);
    const Environment environment{std::cout, std::cerr, stop_flag, is_redrawing_terminal(STDERR_FILENO),
                                  stdout_has_no_reader};
    return static_cast<int>(run_words({argv + 1, argv + argc}, environment));
}

}  // namespace regild::cli
