// SPDX-License-Identifier: GPL-2.0-or-later
#include "publish/tree.hpp"

#include <algorithm>

namespace regild::publish {

HashTreeWriter::HashTreeWriter(OutputFile& file, Blocks data_blocks, ConstByteSpan salt)
    : file_(file), shape_(data_blocks), hash_(salt), levels_(shape_.levels()) {}

Result<void> HashTreeWriter::write_block(unsigned level) {
    // Each block that fills up adds one hash to the level above, which may fill that one in turn.
    for (; level < levels_.size(); level++) {
        Level& at = levels_[level];
        std::fill(at.block.begin() + static_cast<std::ptrdiff_t>(at.used), at.block.end(), std::byte{0});
        if (Result<void> written = file_.write(shape_.offset_of(level, at.written), at.block); !written)
            return written;
        at.written++;
        at.used = 0;
        root_ = hash_(at.block);
        if (level + 1 == levels_.size()) break;

        Level& above = levels_[level + 1];
        std::copy(root_.begin(), root_.end(), above.block.begin() + static_cast<std::ptrdiff_t>(above.used));
        above.used += root_.size();
        if (above.used < above.block.size()) break;
    }
    return {};
}

Result<void> HashTreeWriter::add(const Digest& digest) {
    if (levels_.empty()) {
        root_ = digest;
        return {};
    }
    Level& lowest = levels_[0];
    std::copy(digest.begin(), digest.end(), lowest.block.begin() + static_cast<std::ptrdiff_t>(lowest.used));
    lowest.used += digest.size();
    return lowest.used == lowest.block.size() ? write_block(0) : Result<void>{};
}

Result<Digest> HashTreeWriter::finish() {
    for (unsigned level = 0; level < levels_.size(); level++) {
        if (levels_[level].used == 0) continue;
        if (Result<void> written = write_block(level); !written) return written.error();
    }
    return root_;
}

}  // namespace regild::publish
