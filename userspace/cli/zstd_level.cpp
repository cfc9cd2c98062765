// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/zstd_level.hpp"

#include "codec/zstd.hpp"
#include "publish/publish.hpp"

namespace regild::cli {

Result<int> zstd_level_of(const Arguments& arguments) {
    if (!arguments.has(zstd_level_option.name)) return publish::default_zstd_level;
    const Result<std::uint64_t> level = parse_number("--zstd-level", arguments.value(zstd_level_option.name));
    if (!level) return level.error();
    if (Result<void> valid = codec::check_zstd_level(*level); !valid) return valid.error();
    return static_cast<int>(*level);
}

}  // namespace regild::cli
