// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/load.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

constexpr Bytes batch_size = MiB(16);
constexpr Bytes request_size = MiB(1);
constexpr std::size_t max_steps = 8192;

}  // namespace

Loader::Loader(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
               store::TreeReader& tree, Progress& progress)
    : bitmap_(bitmap),
      source_(source),
      fetcher_(fetcher),
      tree_(tree),
      progress_(progress),
      end_(BlockIndex() + source.manifest.blocks()) {}

Result<void> Loader::load(LoadedBatch& batch) {
    if (!batch.planned)
        if (Result<void> planned = plan(batch); !planned) return planned;
    batch.planned = true;
    return fetch(batch);
}

// Goes on with a batch whose planning was cut off: a restore that fits in two batches stays in two.
Result<void> Loader::plan(LoadedBatch& into) {
    const auto in_blocks = [this](Bytes bytes) {
        return Blocks(
            std::max<std::uint64_t>(1, bytes.count() / source_.manifest.block_size.bytes().count()));
    };
    const BatchLimits limits{in_blocks(request_size), in_blocks(batch_size), max_steps};
    while (planned_until_ < end_) {
        if (planned_until_ == marks_.range().end()) marks_ = bitmap_.read(planned_until_).marked;
        if (planned_until_ == tree_loaded_until_) {
            const Result<BlockIndex> until = tree_.load(marks_, planned_until_);
            if (!until) return until.error();
            tree_loaded_until_ = *until;
        }
        planned_until_ =
            extend(into.batch, marks_, {planned_until_, tree_loaded_until_ - planned_until_}, limits,
                   tree_.zero_digest(), [this](BlockIndex block) { return tree_.digest(block); });
        for (std::size_t i = into.ready.size(); i < into.batch.steps.size(); ++i)
            into.ready.push_back(into.batch.steps[i].kind == Step::Kind::zero);
        if (planned_until_ < tree_loaded_until_) break;
    }
    return {};
}

Result<void> Loader::fetch(LoadedBatch& into) {
    const BlockSize block_size = source_.manifest.block_size;
    const std::size_t block_bytes = block_size.bytes().count();
    std::vector<std::size_t> missing;  // steps
    std::vector<net::Range> ranges;
    for (std::size_t i = 0; i < into.batch.steps.size(); ++i) {
        if (into.ready[i]) continue;
        if (into.data.size() == 0) into.data = block::AlignedBuffer(batch_size.count());
        const Step& step = into.batch.steps[i];
        missing.push_back(i);
        ranges.push_back({block_size.offset_of(step.blocks.first),
                          into.place_of(step, block_size, block_size.bytes_of(step.blocks.count))});
    }
    if (missing.empty()) return {};

    codec::SaltedSha256 hash(source_.manifest.salt);
    Bytes moved;
    Bytes whole;
    const auto verify = [&](std::size_t number) -> Result<void> {
        const ByteSpan bytes = ranges[number].into;
        const Step& step = into.batch.steps[missing[number]];
        const Digest* const digests = into.batch.digests.data() + step.slot.count();
        for (std::size_t i = 0; i < step.blocks.count.count(); ++i) {
            if (hash(bytes.subspan(i * block_bytes, block_bytes)) == digests[i]) continue;
            return Error{Failure::source,
                         source_.data_url.shown() + ": block " +
                             std::to_string(step.blocks.first.value() + i) +
                             " does not match the hash tree: check the server and the caches before it"};
        }
        into.ready[missing[number]] = true;
        whole += Bytes(bytes.size());
        return {};
    };
    Result<void> fetched = fetcher_.get_ranges(source_.data_url, ranges, verify, [&](Bytes bytes) {
        moved += bytes;
        progress_.add(bytes);
    });
    if (!fetched) progress_.take_back(moved - whole);
    return fetched;
}

}  // namespace regild::volume
