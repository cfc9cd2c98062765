// SPDX-License-Identifier: GPL-2.0-or-later
// How an image lies on a disk, and whether disk, log and image belong together.
#pragma once

#include "block/storage.hpp"
#include "format/manifest.hpp"
#include "log/write_log.hpp"
#include "store/source.hpp"

namespace regild::volume {

// Failure::refused: the disk is too small, or its sectors are too large for the image.
Result<void> check_fits_disk(const block::Storage& data, const format::Manifest& manifest);
// Also refused: the log was made for another image or version, so that its marks say nothing about this one.
Result<void> check_fit(const log::WriteLog& log, const block::Storage& data, const store::Source& source);

// The length of `blocks` on the disk: the last block ends where the image ends.
Bytes length_on_disk(const format::Manifest& manifest, BlockRange blocks);

}  // namespace regild::volume
