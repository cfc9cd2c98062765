// SPDX-License-Identifier: GPL-2.0-or-later
// A superblock, a group's descriptor and a node of extents (seed: the start of ext4-small.bin, then the root
// of its journal's extents).
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "format/ext4.hpp"

using namespace regild;
using namespace regild::format;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void check_range(const Ext4& ext4, const Ext4Range& range) {
    require(range.count <= ext4.blocks() && range.first <= ext4.blocks() - range.count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Ext4SuperblockBytes superblock{};
    std::memcpy(superblock.data(), data, std::min(size, superblock.size()));
    ConstByteSpan rest = std::as_bytes(std::span(data, size)).subspan(std::min(size, superblock.size()));
    const Bytes image_size(std::uint64_t{1} << 46);
    const std::optional<Ext4> ext4 = Ext4::parse(superblock, image_size);
    if (!ext4) return 0;
    require(ext4->blocks() * ext4->block_size().count() <= image_size.count());
    require(ext4->groups() > 0 && ext4->groups() <= ext4->blocks());
    for (const std::uint64_t block :
         {std::uint64_t{0}, std::uint64_t{1}, ext4->blocks() - 1, ext4->blocks()}) {
        const std::optional<std::uint64_t> group = ext4->group_of(block);
        if (!group) continue;
        require(*group < ext4->groups() && ext4->blocks_of(*group).contains(block));
        require(ext4->blocks_of(*group).count <= 8 * ext4->block_size().count());
        check_range(*ext4, ext4->blocks_of(*group));
    }
    if (const std::optional<Ext4Extents> journal = ext4->journal())
        for (const Ext4Range& range : journal->data)
            check_range(*ext4, range);
    const std::size_t descriptor = ext4->descriptor_size().count();
    if (rest.size() < descriptor) return 0;
    (void)ext4->parse_descriptor(rest.first(descriptor));
    const std::optional<Ext4Extents> extents = ext4->parse_extents(rest.subspan(descriptor));
    if (!extents) return 0;
    for (const Ext4Range& range : extents->data)
        check_range(*ext4, range);
    for (const std::uint64_t node : extents->nodes)
        require(node < ext4->blocks());
    return 0;
}
