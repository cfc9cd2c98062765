// SPDX-License-Identifier: GPL-2.0-or-later
// A delta that anybody may have made.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "publish/delta_reader.hpp"

using namespace regild;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const int file = memfd_create("delta", MFD_CLOEXEC);
    static const std::string path = "/proc/self/fd/" + std::to_string(file);
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != static_cast<ssize_t>(size))
        std::abort();
    Result<publish::DeltaReader> delta = publish::DeltaReader::open(path);
    if (!delta) return 0;
    std::uint64_t entries = 0;
    for (;; ++entries) {
        const Result<std::optional<publish::DeltaBlock>> block = delta->next();
        if (!block) return 0;
        if (!*block) break;
        if ((*block)->index >= BlockIndex() + delta->manifest().blocks()) std::abort();
    }
    if (entries != delta->header().entries) std::abort();
    return 0;
}
