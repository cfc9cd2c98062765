// SPDX-License-Identifier: GPL-2.0-or-later
// The set of blocks that is written is the set that is planned here: nothing between two marked blocks is
// taken in to join their requests.
#include "volume/plan.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

// Whether `block` can join the batch's last step.
bool joins(const Batch& batch, BlockIndex block, const BlockContent& content, const BatchLimits& limits) {
    if (batch.steps.empty() || batch.steps.back().blocks.end() != block) return false;
    const Step& last = batch.steps.back();
    if (last.kind != content.kind) return false;
    if (content.kind == Step::Kind::zero) return true;
    return batch.steps.size() > batch.sealed && last.frames.end() == content.frame.offset &&
           last.frames.length + content.frame.length <= limits.request;
}

// Whether there is no room for another frame.
bool is_full(const Batch& batch, const format::Frame& frame, const BatchLimits& limits) {
    return batch.size + frame.length > limits.size || batch.framed.size() >= limits.framed;
}

}  // namespace

BlockIndex extend(Batch& batch, const BlockSet& marks, BlockRange within, const BatchLimits& limits,
                  const std::function<std::optional<BlockContent>(BlockIndex)>& content_of) {
    BlockIndex position = within.first;
    while (const std::optional<BlockRange> run = marks.next_run({position, within.end() - position})) {
        for (position = run->first; position < run->end(); position = position + Blocks(1)) {
            const std::optional<BlockContent> content = content_of(position);
            if (!content) return position;
            const bool framed = content->kind != Step::Kind::zero;
            if (framed && is_full(batch, content->frame, limits)) return position;
            if (!joins(batch, position, *content, limits)) {
                if (batch.steps.size() >= limits.steps) return position;
                batch.steps.push_back({.kind = content->kind,
                                       .blocks = {position, Blocks(0)},
                                       .slot = framed ? Blocks(batch.framed.size()) : Blocks(0),
                                       .frames = {content->frame.offset, Bytes(0)},
                                       .place = framed ? batch.size : Bytes(0)});
            }
            Step& step = batch.steps.back();
            step.blocks.count += Blocks(1);
            if (!framed) continue;
            step.frames.length += content->frame.length;
            batch.framed.push_back({content->digest, content->frame.length});
            batch.size += content->frame.length;
        }
    }
    return within.end();
}

}  // namespace regild::volume
