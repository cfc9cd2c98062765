// SPDX-License-Identifier: GPL-2.0-or-later
// Applying: what is in memory and verified goes to the disk, is made durable there, and loses its marks.
#pragma once

#include <chrono>
#include <map>
#include <mutex>

#include "base/stop.hpp"
#include "volume/load.hpp"
#include "volume/restore.hpp"

namespace regild::volume {

class Applier final : public WriteThrough {
  public:
    // All must outlive it. What is durable is counted in `report`, and gets into `written` if there is one.
    Applier(RestoreTarget target, const format::Manifest& manifest, Progress& progress, const StopFlag& stop,
            RestoreReport& report, BlockSet* written);

    // To be called before anything is applied, and again when that has failed: from here on the disk is a
    // mixture (invariant 9), and no mark hangs on a log sector that reads otherwise the next time.
    Result<void> declare();
    // Applies whole batches as they come, until the loader is closed, and closes it on an error or when a
    // stop is asked for.
    Result<void> run(Loader& loader);
    // What the loader writes through, at the same time.
    Result<void> write(BlockRange blocks, ConstByteSpan content) override;
    void written(BlockRange blocks) override;
    // Applies what has arrived of all other batches, when the loader is closed.
    Result<void> apply_rest(Loader& loader);

  private:
    // Of blocks: the kind of their step, and where it was, nearby.
    using Origin = std::pair<Step::Kind, const store::NearbyKind*>;

    // Writes and zeroes what is ready. When a stop is asked for, only what was fetched is written: zeroing
    // may take long, and costs nothing to do again.
    Result<void> apply(LoadedBatch& batch);
    Result<void> apply_all(Loader& loader);
    Result<void> write(const Step& step, const LoadedBatch& from);
    Result<void> write_piece(BlockRange piece, Origin origin, Bytes frames);
    Result<void> zero(Step& step);
    void add(BlockRange piece, Origin origin, Bytes frames);
    Result<void> commit_when_due();
    Result<void> commit();

    RestoreTarget target_;
    const format::Manifest& manifest_;
    Progress& progress_;
    const StopFlag& stop_;
    RestoreReport& report_;
    BlockSet* const written_;
    codec::Decompressor decompressor_;
    block::AlignedBuffer buffer_;
    std::chrono::steady_clock::time_point committed_;  // at last
    // Written or zeroed, but still marked.
    struct Uncommitted {
        std::vector<BlockRange> ranges;
        std::map<Origin, Written> written;
    };
    std::mutex mutex_;  // guards what follows
    Uncommitted uncommitted_;
};

}  // namespace regild::volume
