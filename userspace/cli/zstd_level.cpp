// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/zstd_level.hpp"

#include "codec/zstd.hpp"
#include "publish/publish.hpp"

namespace regild::cli {

Result<int> zstd_level_of(const Arguments& arguments) {
    if (!arguments.has(zstd_level_option.name)) return publish::default_zstd_level;
    const Result<std::uint64_t> level = parse_number("--zstd-level", arguments.value(zstd_level_option.name));
    if (!level) return level.error();
    if (*level < codec::lowest_zstd_level || *level > codec::highest_zstd_level)
        return Error{Failure::usage, "--zstd-level is a number from " +
                                         std::to_string(codec::lowest_zstd_level) + " to " +
                                         std::to_string(codec::highest_zstd_level)};
    return static_cast<int>(*level);
}

}  // namespace regild::cli
