// SPDX-License-Identifier: GPL-2.0-or-later
// The set of blocks that is written is the set that is planned here: nothing between two marked blocks is
// taken in to join their requests.
#include "volume/plan.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

// Whether `block` can join the batch's last step.
bool joins(const Batch& batch, Step::Kind kind, BlockIndex block, const BatchLimits& limits) {
    if (batch.steps.empty()) return false;
    const Step& last = batch.steps.back();
    return last.kind == kind && last.blocks.end() == block &&
           (kind == Step::Kind::zero || last.blocks.count < limits.request);
}

}  // namespace

BlockIndex extend(Batch& batch, const BlockSet& marks, BlockRange within, const BatchLimits& limits,
                  const Digest& zero_digest, const std::function<Digest(BlockIndex)>& digest_of) {
    BlockIndex position = within.first;
    while (const std::optional<BlockRange> run = marks.next_run({position, within.end() - position})) {
        for (position = run->first; position < run->end(); position = position + Blocks(1)) {
            const Digest digest = digest_of(position);
            const Step::Kind kind = digest == zero_digest ? Step::Kind::zero : Step::Kind::fetch;
            if (kind == Step::Kind::fetch && batch.fetched() >= limits.fetched) return position;
            if (joins(batch, kind, position, limits)) {
                batch.steps.back().blocks.count += Blocks(1);
            } else {
                if (batch.steps.size() >= limits.steps) return position;
                batch.steps.push_back(
                    {kind, {position, Blocks(1)}, kind == Step::Kind::fetch ? batch.fetched() : Blocks(0)});
            }
            if (kind == Step::Kind::fetch) batch.digests.push_back(digest);
        }
    }
    return within.end();
}

}  // namespace regild::volume
