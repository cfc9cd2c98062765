// SPDX-License-Identifier: GPL-2.0-or-later
#include "volume/load.hpp"

#include <algorithm>

#include "store/cached_blocks.hpp"

namespace regild::volume {
namespace {

// With room for the few bytes by which frames are longer than blocks that do not compress.
constexpr BatchLimits limits{.request = KiB(257),
                             .size = MiB(2) + KiB(64),
                             .framed = 4096,
                             .steps = 1024,
                             .gap = net::request_overhead};
// Each may be in another chunk of a set, which takes 4 KiB.
constexpr Blocks few{1024};
static_assert(limits.steps <= std::size_t{1} << RequestNumber::step_bits);

}  // namespace

Loader::Loader(const log::Bitmap& bitmap, const store::Source& source, net::Fetcher& fetcher,
               store::Nearby& nearby, store::TreeReader& tree, FrameVerifiers& verifiers, Progress& progress)
    : bitmap_(bitmap),
      source_(source),
      fetcher_(fetcher),
      nearby_(nearby),
      tree_(tree),
      frames_(source, fetcher),
      verifiers_(verifiers),
      progress_(progress),
      end_(BlockIndex() + source.manifest.blocks()) {
    for (LoadedBatch& batch : batches_)
        free_.insert(free_.begin(), &batch);
}

Result<void> Loader::load() {
    ask_for_missing();
    for (;;) {
        while (!plan()) {
            if (!lacks_digests()) return {};
            if (Result<void> prepared = prepare(); !prepared) return prepared;
        }
        if (Result<void> fetched = fetcher_.get_ranges(source_.data_url, *this); !fetched) return fetched;
    }
}

// A batch grows only between two fetches, when prepare() has brought what its planning was cut off for:
// threads of the fetcher read what is planned of it.
bool Loader::plan() {
    while (requests_.empty()) {
        if (planned_until_ == end_ || lacks_digests() || !open_batch()) return false;
        const auto slot = static_cast<std::size_t>(open_ - batches_.data());
        const BlockRange range{planned_until_, tree_loaded_until_ - planned_until_};
        planned_until_ = extend(open_->batch, marks_, range, limits,
                                [this](BlockIndex block) { return content_of(block); });
        for (std::size_t i = open_->states.size(); i < open_->batch.steps.size(); ++i) {
            const bool to_fetch = open_->batch.steps[i].kind == Step::Kind::fetch;
            open_->states.push_back(to_fetch ? LoadedBatch::State::missing : LoadedBatch::State::ready);
            if (!to_fetch) continue;
            ++open_->missing;
            if (open_->batch.steps[i].request == i) requests_.emplace_back(slot, i);
        }
        open_->batch.sealed = open_->batch.steps.size();
        open_->frames.resize(open_->batch.size.count());
        if (unlocated_) {
            unlocated_ = false;
            promises_kept_ = false;
            frames_known_until_ = planned_until_;
        } else if (planned_until_ < tree_loaded_until_ || planned_until_ == end_) {
            close_batch();
        }
    }
    return true;
}

bool Loader::lacks_digests() const {
    return planned_until_ < end_ &&
           (planned_until_ == tree_loaded_until_ || frames_known_until_ < tree_loaded_until_);
}

Result<void> Loader::prepare() {
    if (planned_until_ == marks_.range().end()) read_marks();
    if (planned_until_ == tree_loaded_until_) {
        const Result<BlockIndex> until = tree_.load(marks_, planned_until_);
        if (!until) return until.error();
        tree_loaded_until_ = *until;
        promises_kept_ = true;
    }
    return frames_known_until_ < tree_loaded_until_ ? find_frames() : Result<void>();
}

// Pieces of which little is marked are planned together: between two plans nothing is fetched.
void Loader::read_marks() {
    marks_ = bitmap_.read(planned_until_).marked;
    for (Blocks marked = marks_.count(); marked < few && marks_.range().end() < end_;) {
        const BlockSet next = bitmap_.read(marks_.range().end()).marked;
        marked += next.count();
        marks_.append(next);
    }
}

// Of all blocks whose digests are known and which are not nearby; once one was not that should be, of
// all: to come back for each block would cost a request each.
Result<void> Loader::find_frames() {
    const BlockRange range{planned_until_, tree_loaded_until_ - planned_until_};
    located_ = BlockSet(range);
    for (const BlockRange& run : runs_of(marks_, range))
        for (BlockIndex block = run.first; block < run.end(); block = block + Blocks(1))
            if (const Digest digest = tree_.digest(block);
                digest != tree_.zero_digest() && !(promises_kept_ && nearby_.may_have(block, digest)))
                located_.insert({block, Blocks(1)});
    if (Result<void> loaded = frames_.load(located_); !loaded) return loaded;
    frames_known_until_ = tree_loaded_until_;
    return {};
}

// Goes on with a batch whose planning was cut off: a restore that fits in memory does so however it is
// planned. Nothing: there is no room.
LoadedBatch* Loader::open_batch() {
    const std::lock_guard lock(mutex_);
    if (open_ || free_.empty()) return open_;
    open_ = free_.back();
    free_.pop_back();
    open_->frames.reserve(limits.size.count());  // what is being fetched is not to move
    return open_;
}

void Loader::close_batch() {
    LoadedBatch* const batch = std::exchange(open_, nullptr);
    if (batch->missing > 0) return;
    if (batch->batch.steps.empty()) {
        release(batch);
        return;
    }
    const std::lock_guard lock(mutex_);
    whole_.push_back(batch);
    changed_.notify_all();
}

std::optional<BlockContent> Loader::content_of(BlockIndex block) {
    BlockContent content{Step::Kind::zero, tree_.digest(block), {}};
    if (content.digest == tree_.zero_digest()) return content;
    if (take_nearby(block, content)) return content;
    if (located_.test(block)) {
        content.kind = Step::Kind::fetch;
        content.frame = frames_.frame(block);
        return content;
    }
    unlocated_ = true;
    return std::nullopt;
}

// Puts the frame behind those that the batch holds.
bool Loader::take_nearby(BlockIndex block, BlockContent& content) {
    if (block >= looked_.end) looked_ = nearby_.take_some(tree_, marks_, {block, tree_loaded_until_ - block});
    std::optional<store::Nearby::Found>& found =
        std::ranges::lower_bound(looked_.blocks, block, {}, &store::Nearby::Wanted::block)->found;
    // The cache may have got it since.
    if (!found && nearby_.cache() && nearby_.cache()->has(content.digest))
        found = nearby_.take_some(tree_, marks_, {block, Blocks(1)}).blocks[0].found;
    if (!found) return false;
    const ByteVector& frame = found->frame;
    if (found->kind == &store::cached_blocks) nearby_.cache()->put(content.digest, frame);
    content.kind = Step::Kind::nearby;
    content.from = found->kind;
    content.frame = {open_->batch.size, Bytes(frame.size())};
    open_->frames.resize(open_->batch.size.count());
    open_->frames.insert(open_->frames.end(), frame.begin(), frame.end());
    return true;
}

// After a fetch that failed. A batch that misses nothing may be with who applies, and is his.
void Loader::ask_for_missing() {
    requests_.clear();
    for (std::size_t slot = 0; slot < slots; ++slot) {
        const LoadedBatch& batch = batches_[slot];
        if (batch.missing == 0) continue;
        for (std::size_t i = 0; i < batch.states.size(); ++i)
            if (batch.states[i] < LoadedBatch::State::ready && batch.batch.steps[i].request == i)
                requests_.emplace_back(slot, i);
    }
    progress_.take_back(reported_ - settled_);
    reported_ = settled_;
    moved_ = Bytes(0);
    asked_ = {};
}

// In bytes of the disk.
Bytes Loader::blocks_of(const LoadedBatch& batch, std::span<const std::size_t> steps) const {
    Bytes sum;
    for (const std::size_t i : steps)
        sum += source_.manifest.block_size.bytes_of(batch.batch.steps[i].blocks.count);
    return sum;
}

std::optional<net::Range> Loader::next() {
    if (!plan()) return std::nullopt;
    const RequestNumber number = requests_.front();
    requests_.pop_front();
    LoadedBatch& batch = batches_[number.batch];
    const net::Range range = to_fetch(batch, number);
    asked_.ranges += Bytes(range.into.size());
    asked_.blocks += blocks_of(batch, steps_of(batch.batch, number.request));
    return range;
}

Result<void> Loader::verify(std::size_t number) {
    const RequestNumber which(number);
    return verifiers_.verify(batches_[which.batch], which.request, sink_);
}

Result<void> Loader::arrived(std::size_t number) {
    const RequestNumber which(number);
    LoadedBatch& batch = batches_[which.batch];
    const Bytes length = range_of(batch.batch, which.request).length;
    const Arrival arrival = take_apart(batch, which.request);
    for (const std::size_t i : arrival.ready) {
        const Step& step = batch.batch.steps[i];
        if (nearby_.cache()) keep(step, batch, *nearby_.cache());
        if (!sink_) continue;
        batch.states[i] = LoadedBatch::State::applied;
        sink_->written(step.blocks);
    }
    if (nearby_.cache()) nearby_.cache()->renew_in_time();
    for (const std::size_t i : arrival.missing)
        requests_.emplace_back(which.batch, i);
    batch.missing -= arrival.ready.size();
    const Bytes ready = blocks_of(batch, arrival.ready);
    settled_ += ready;
    asked_.blocks -= ready + blocks_of(batch, arrival.missing);
    asked_.ranges -= length;
    moved_ -= std::min(moved_, length);
    show_progress();
    if (batch.missing > 0 || &batch == open_) return {};
    const std::lock_guard lock(mutex_);
    whole_.push_back(&batch);
    changed_.notify_all();
    return {};
}

void Loader::moved(Bytes bytes) {
    moved_ += bytes;
    show_progress();
}

// Of blocks whose frames come, as if all of a range were frames and compressed alike; what has not been
// verified is never all there.
void Loader::show_progress() {
    Bytes now = settled_;
    if (moved_ > Bytes(0) && moved_ < asked_.ranges)
        now += Bytes(moved_.count() * asked_.blocks.count() / asked_.ranges.count());  // under 2^60
    if (now <= reported_) return;
    progress_.add(now - reported_);
    reported_ = now;
}

LoadedBatch* Loader::wait_for_whole() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !whole_.empty(); });
    if (whole_.empty()) return nullptr;
    LoadedBatch* const batch = whole_.front();
    whole_.pop_front();
    return batch;
}

void Loader::release(LoadedBatch* batch) {
    batch->batch = {};
    batch->states.clear();
    batch->frames.clear();
    const std::lock_guard lock(mutex_);
    free_.push_back(batch);
    changed_.notify_all();
}

bool Loader::wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !free_.empty(); });
    return !closed_;
}

void Loader::close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
}

void Loader::reopen() {
    const std::lock_guard lock(mutex_);
    closed_ = false;
}

std::vector<LoadedBatch*> Loader::rest() {
    std::vector<LoadedBatch*> rest;
    for (LoadedBatch& batch : batches_)
        if (std::ranges::find(batch.states, LoadedBatch::State::ready) != batch.states.end())
            rest.push_back(&batch);
    return rest;
}

}  // namespace regild::volume
