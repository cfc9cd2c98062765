// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/banner.hpp"

#include "base/replace_file.hpp"
#include "volume/thaw.hpp"

namespace regild::cli {
namespace {

constexpr mode_t banner_mode = 0644;

std::filesystem::path banner_in(const std::filesystem::path& run) {
    return run / "motd.d" / "regild";
}

}  // namespace

std::string banner_text(const std::optional<format::Thaw>& thaw) {
    if (!thaw) return "This machine is frozen: what is changed on it is undone at the next boot.\n";
    const bool has_end = thaw->boots > 0 || thaw->until > 0;
    return "THAWED: what is changed on this machine is kept " + volume::how_long(*thaw) +
           (has_end ? "; the first boot after that undoes it.\n" : ".\n");
}

std::string banner_text(const boot::BootReport& report) {
    if (report.outcome == boot::BootOutcome::thawed && !report.thaw)
        return "THAWED for the last time: the next boot undoes all that was changed on this machine.\n";
    return banner_text(report.thaw);
}

Result<void> write_banner(const std::filesystem::path& run, const std::string& text) {
    const std::filesystem::path path = banner_in(run);
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error)
        return Error{Failure::failed,
                     "cannot create folder " + path.parent_path().string() + ": " + error.message()};
    return replace_file(path, text, banner_mode);
}

Result<void> renew_banner(const std::filesystem::path& run, const std::string& text) {
    std::error_code error;
    if (!std::filesystem::exists(banner_in(run), error)) return {};
    return write_banner(run, text);
}

}  // namespace regild::cli
