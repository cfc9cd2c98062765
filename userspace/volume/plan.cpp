// SPDX-License-Identifier: GPL-2.0-or-later
// The set of blocks that is written is the set that is planned here: what a request reads between the frames
// of two steps belongs to none.
#include "volume/plan.hpp"

#include <algorithm>

namespace regild::volume {
namespace {

// Whether `block` can join the batch's last step.
bool joins(const Batch& batch, BlockIndex block, const BlockContent& content, const BatchLimits& limits) {
    if (batch.steps.empty() || batch.steps.back().blocks.end() != block) return false;
    const Step& last = batch.steps.back();
    if (last.kind != content.kind || last.from != content.from) return false;
    if (content.kind == Step::Kind::zero) return true;
    return batch.steps.size() > batch.sealed && last.frames.end() == content.frame.offset &&
           content.frame.end() - batch.steps[last.request].frames.offset <= limits.request;
}

// The fetch step behind which `frame` begins, if the request that brings it may bring this one too. What it
// reads between them finds its place in memory: no other frame is there.
const Step* step_before(const Batch& batch, const format::Frame& frame, const BatchLimits& limits) {
    for (std::size_t i = batch.steps.size(); i-- > batch.sealed;) {
        const Step& step = batch.steps[i];
        if (step.kind == Step::Kind::zero) continue;
        const bool may_join = step.kind == Step::Kind::fetch && step.frames.end() <= frame.offset &&
                              frame.offset - step.frames.end() <= limits.gap &&
                              frame.end() - batch.steps[step.request].frames.offset <= limits.request;
        return may_join ? &step : nullptr;
    }
    return nullptr;
}

// Whether there is no room for so many bytes of another frame.
bool is_full(const Batch& batch, Bytes length, const BatchLimits& limits) {
    return batch.size + length > limits.size || batch.framed.size() >= limits.framed;
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
            const bool joined = joins(batch, position, *content, limits);
            const Step* const before = joined || content->kind != Step::Kind::fetch
                                           ? nullptr
                                           : step_before(batch, content->frame, limits);
            const Bytes gap = before ? content->frame.offset - before->frames.end() : Bytes(0);
            if (framed && is_full(batch, gap + content->frame.length, limits)) return position;
            if (!joined) {
                if (batch.steps.size() >= limits.steps) return position;
                batch.size += gap;
                batch.steps.push_back({.kind = content->kind,
                                       .blocks = {position, Blocks(0)},
                                       .slot = framed ? Blocks(batch.framed.size()) : Blocks(0),
                                       .frames = {content->frame.offset, Bytes(0)},
                                       .place = framed ? batch.size : Bytes(0),
                                       .request = before ? before->request : batch.steps.size(),
                                       .from = content->from});
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

std::vector<std::size_t> steps_of(const Batch& batch, std::size_t request) {
    std::vector<std::size_t> steps;
    for (std::size_t i = request; i < batch.steps.size(); ++i) {
        const Step& step = batch.steps[i];
        if (step.kind == Step::Kind::zero) continue;
        if (step.kind != Step::Kind::fetch || step.request != request) break;
        steps.push_back(i);
    }
    return steps;
}

format::Frame range_of(const Batch& batch, std::size_t request) {
    const Bytes offset = batch.steps[request].frames.offset;
    return {offset, batch.steps[steps_of(batch, request).back()].frames.end() - offset};
}

}  // namespace regild::volume
