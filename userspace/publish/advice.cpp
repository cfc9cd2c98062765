// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/advice.hpp"

namespace regild::publish {
namespace {

// As one word of a shell's line; the dash of an option would be taken for one.
std::string shell_word(const std::string& path) {
    std::string word = path.starts_with('-') ? "'./" : "'";
    for (const char c : path)
        word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    word += '\'';
    const auto plain = [](const std::string& text) {
        return text.find_first_not_of(
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@%") ==
               std::string::npos;
    };
    return plain(path) && !path.starts_with('-') ? path : word;
}

std::string tables_text(Bytes tables) {
    return "the kernel is still to zero " + format_size(tables) + " of inode tables, in every session again";
}

std::string free_text(Bytes not_zero) {
    return format_size(not_zero) + " of free space are not zero";
}

}  // namespace

std::vector<Advice> advice_for(const FileSystemReport& report, const std::filesystem::path& image) {
    const std::string word = shell_word(image);
    const bool tables = report.unfinished_tables > Bytes(0);
    const bool free = report.free_not_zero > Bytes(0);
    std::error_code ignored;
    const bool device = std::filesystem::is_block_file(image, ignored);
    std::vector<Advice> advice;
    if (report.needs_recovery)
        advice.push_back(
            {"the file system was not unmounted, so that its journal is replayed in every session",
             "e2fsck -f -p " + word});
    // A mount writes to the journal, and a new journal may leave the blocks of the old one behind.
    if (device && tables)
        advice.push_back({tables_text(report.unfinished_tables),
                          "mount -o init_itable=0 " + word +
                              " /mnt; while pgrep ext4lazyinit; do sleep 1; done; umount /mnt"});
    if (report.journal_not_zero > report.journal_superblock)
        advice.push_back({format_size(report.journal_not_zero) + " of the journal are not zero",
                          "tune2fs -O ^has_journal " + word + " && tune2fs -J size=" +
                              std::to_string(divide_up(report.journal.count(), MiB(1).count())) + " " +
                              word});
    if (device && free) advice.push_back({free_text(report.free_not_zero), "zerofree " + word});
    if (!device && (free || tables)) {
        std::string why = free ? free_text(report.free_not_zero) : "";
        if (free && tables) why += ", and ";
        if (tables) why += tables_text(report.unfinished_tables);
        advice.push_back({why, "e2fsck -f -p -E discard " + word});
    }
    return advice;
}

}  // namespace regild::publish
