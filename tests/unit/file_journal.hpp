// SPDX-License-Identifier: GPL-2.0-or-later
// What this process does to some plain files that stand for devices: the writes, zeroes and flushes in their
// order, whoever makes them.
#pragma once

#include <filesystem>
#include <vector>

#include "memory_storage.hpp"

namespace regild::test {

struct FileOperation {
    std::size_t file;  // the number of its path
    Operation operation;
};

// One at a time.
class FileJournal {
  public:
    explicit FileJournal(const std::vector<std::filesystem::path>& paths);
    ~FileJournal();
    FileJournal(const FileJournal&) = delete;
    FileJournal& operator=(const FileJournal&) = delete;

    // How many there were until now.
    std::size_t size() const;
    std::vector<FileOperation> take();
};

}  // namespace regild::test
