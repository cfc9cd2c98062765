// SPDX-License-Identifier: GPL-2.0-or-later
// regild thaw, freeze: whether boots keep what sessions write.
#include "base/text.hpp"
#include "base/utc.hpp"
#include "cli/banner.hpp"
#include "cli/configuration_file.hpp"
#include "cli/end_time.hpp"
#include "cli/shared_log.hpp"
#include "cli/volume_report.hpp"
#include "volume/thaw.hpp"

namespace regild::cli {
namespace {

constexpr Option boots_option{"boots", "N", "for so many boots, 1 to 1000"};
constexpr Option until_option{"until", "TIME", "until then: \"2026-12-01 18:00\", +12h, +7d, RFC 3339"};

Result<format::Thaw> thaw_of(const Arguments& arguments) {
    format::Thaw thaw;
    if (arguments.has(boots_option.name) && arguments.has(until_option.name))
        return Error{Failure::usage, "--boots and --until do not go together: give one of them, or none"};
    if (arguments.has(boots_option.name)) {
        const Result<std::uint64_t> boots = parse_number("--boots", arguments.value(boots_option.name));
        if (!boots) return boots.error();
        if (*boots < 1 || *boots > format::max_thawed_boots)
            return Error{Failure::usage,
                         "--boots must be from 1 to " + std::to_string(format::max_thawed_boots)};
        thaw.boots = static_cast<std::uint32_t>(*boots);
    }
    if (arguments.has(until_option.name)) {
        const std::uint64_t now = utc_now();
        const Result<std::uint64_t> until = parse_end_time(arguments.value(until_option.name), now);
        if (!until) return until.error().context("--until");
        if (*until <= now)
            return Error{Failure::usage, "--until " + utc_text(*until) + " is not in the future: it is " +
                                             utc_text(now) + " by this machine's clock"};
        thaw.until = *until;
    }
    return thaw;
}

// What is done is done, also where nobody can be told at the login.
void tell_logins(const Environment& environment, const std::optional<format::Thaw>& thaw) {
    if (Result<void> renewed = renew_banner(environment.run, banner_text(thaw)); !renewed)
        environment.err << "regild: the message at the login is out of date: "
                        << printable(renewed.error().message) << "\n";
}

std::string marked_text(const log::WriteLog& log) {
    return blocks_text(log.bitmap().marked(), log.geometry().block_size());
}

Result<ExitCode> run_thaw(const Environment& environment, const Arguments& arguments) {
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    const Result<format::Thaw> thaw = thaw_of(arguments);
    if (!thaw) return thaw.error();
    if (!configuration->allow_thaw)
        return Error{Failure::refused,
                     "the configuration does not allow it: say \"allow_thaw\": true there, and make the "
                     "initramfs anew, for it is the boot that decides"};
    Result<SharedLog> log = open_shared(configuration->log);
    if (!log) return log.error();
    if (Result<void> thawed = volume::thaw(log->write_log, *thaw); !thawed) return thawed.error();
    environment.out << image_text(*log->write_log.record()) << ": THAWED; " << marked_text(log->write_log)
                    << " that sessions wrote are kept " << volume::how_long(*thaw)
                    << ", and so is what they write from now on\n";
    tell_logins(environment, *thaw);
    return ExitCode::clean;
}

Result<ExitCode> run_freeze(const Environment& environment, const Arguments& arguments) {
    const Result<format::Configuration> configuration = configuration_of(arguments);
    if (!configuration) return configuration.error();
    Result<SharedLog> log = open_shared(configuration->log);
    if (!log) return log.error();
    const Result<bool> frozen = volume::freeze(log->write_log);
    if (!frozen) return frozen.error();
    environment.out << image_text(*log->write_log.record()) << (*frozen ? ": frozen; " : ": was not thawed; ")
                    << marked_text(log->write_log) << " will be undone at the next boot\n";
    tell_logins(environment, std::nullopt);
    return ExitCode::clean;
}

}  // namespace

const Command thaw_command{
    .name = "thaw",
    .summary = "let boots keep what sessions write",
    .description =
        "What sessions have written since the last restore, and what they write from now\n"
        "on, is kept: for so many boots, until a time, or until 'regild freeze'. Then the\n"
        "next boot undoes all of it. Only where the configuration says \"allow_thaw\": true,\n"
        "also the one in the initramfs. Works while the volume is mapped.",
    .options = {{config_option.name, config_option.value, config_option.help, Need::here},
                log_option,
                boots_option,
                until_option},
    .operands = nullptr,
    .many_operands = false,
    .run = run_thaw};

const Command freeze_command{
    .name = "freeze",
    .summary = "let the next boot undo what sessions wrote",
    .description =
        "Ends what 'regild thaw' began, and tells how much the next boot will undo. Works\n"
        "while the volume is mapped.",
    .options = {config_option, log_option},
    .operands = nullptr,
    .many_operands = false,
    .run = run_freeze};

}  // namespace regild::cli
