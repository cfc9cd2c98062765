// SPDX-License-Identifier: GPL-2.0-or-later
// What a subcommand is: its options as a table, from which parsing and --help both follow.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/stop.hpp"
#include "cli/exit_code.hpp"

namespace regild::cli {

// Where a command prints, and how it learns that it is to stop.
struct Environment {
    std::ostream& out;
    std::ostream& err;
    const StopFlag& stop;
    bool err_is_terminal = false;  // one that redraws a line
    // Whether nobody reads `out` any more, as with `regild dirty | head`.
    bool (*reader_left)() = [] { return false; };
    std::filesystem::path run = "/run";  // where a login's messages are, see cli/banner.hpp
};

// Whether an option must be given.
enum class Need {
    none,
    here,
    here_or_in_configuration,  // not where --config is given
};

struct Option {
    const char* name;   // without the dashes
    const char* value;  // what --help calls its value; nullptr for a switch
    const char* help;
    Need need = Need::none;
};

class Arguments {
  public:
    bool has(const std::string& option) const { return options_.contains(option); }
    // Only of a required option, or after has().
    const std::string& value(const std::string& option) const { return options_.at(option); }
    const std::vector<std::string>& operands() const { return operands_; }

  private:
    friend Result<Arguments> parse_arguments(const struct Command&, const std::vector<std::string>&);
    std::map<std::string, std::string> options_;
    std::vector<std::string> operands_;
};

struct Command {
    const char* name;
    const char* summary;      // one line for the list of commands
    const char* description;  // for --help, wrapped by hand at 80 columns
    std::vector<Option> options;
    const char* operands;            // "NAME", "FIRST[-LAST]..." or nullptr for none
    Need operand_need = Need::here;  // where there are operands
    bool many_operands;              // as many as the next two say, else exactly one
    std::size_t least_operands = 1;
    std::size_t most_operands = SIZE_MAX;
    Result<ExitCode> (*run)(const Environment&, const Arguments&);
};

// `words` are what follows the command's name. --help and --version (where the command has none of its own)
// come back as options. Failure::usage names the option that is unknown, missing or given twice.
Result<Arguments> parse_arguments(const Command& command, const std::vector<std::string>& words);
// Whether --version was given and is the common one.
bool asks_for_version(const Command& command, const Arguments& arguments);
std::string help_text(const Command& command);

// A whole decimal number; Failure::usage names `what`.
Result<std::uint64_t> parse_number(const std::string& what, const std::string& text);

// The commands, each group in a file of its own.
extern const Command publish_command;
extern const Command promote_command;
extern const Command list_command;
extern const Command gc_command;
extern const Command diff_command;
extern const Command keygen_command;
extern const Command sign_command;
extern const Command format_command;
extern const Command provision_command;
extern const Command restore_command;
extern const Command update_command;
extern const Command mark_good_command;
extern const Command thaw_command;
extern const Command freeze_command;
extern const Command verify_command;
extern const Command status_command;
extern const Command dirty_command;
extern const Command mark_command;
extern const Command map_command;
extern const Command unmap_command;
extern const Command capture_command;
extern const Command cache_command;
extern const Command boot_command;

}  // namespace regild::cli
