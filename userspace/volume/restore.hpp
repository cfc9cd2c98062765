// SPDX-License-Identifier: GPL-2.0-or-later
// Restore: for each marked block get the clean content, verify it, write it, make it durable, clear the mark.
// Provisioning, restoring after a session and resuming after a power cut are all this one path.
#pragma once

#include <map>
#include <memory>

#include "base/observer.hpp"
#include "base/stop.hpp"
#include "log/write_log.hpp"
#include "store/tree_reader.hpp"
#include "volume/fetched.hpp"
#include "volume/nearby_devices.hpp"
#include "volume/need.hpp"

namespace regild::volume {

struct Written {
    Blocks blocks;
    Bytes frames;  // that they were decompressed from
};

struct RestoreReport {
    Blocks marked;   // when it began
    Blocks fetched;  // written with fetched bytes
    // Written with what was there.
    std::map<const store::NearbyKind*, Written> nearby;
    Blocks zeroed;         // zero in the image: zeroed, not fetched
    Blocks already_right;  // unknown blocks whose content hashed right: not written
    Blocks read_back{};    // written, and read again
    Blocks rewritten{};    // of them: they did not hold what was written, and were written once more
    Bytes bytes_fetched;   // bodies of all requests, data and hash tree
    std::uint64_t requests = 0;

    Written from(const store::NearbyKind& kind) const {
        const auto found = nearby.find(&kind);
        return found == nearby.end() ? Written{} : found->second;
    }
};

struct RestoreTarget {
    log::WriteLog& log;
    block::Storage& data;
};

struct RestoreRules {
    // What the fetcher brings over a network in all is no more than that, unless the volume is being
    // provisioned. Where it is known to be more before the first write nothing is written.
    std::optional<Bytes> max_fetch{};
    // What was written is read again past the page cache, once the disk says that it is on stable storage.
    // What is not right then is written once more.
    bool read_back = false;
};

// One restore in as many attempts as it takes. Nothing else changes disk or log between them.
class Restore {
  public:
    // All must outlive it. What is nearby is taken from there, and the cache, if there is one, gets what is
    // fetched.
    Restore(RestoreTarget target, const store::Source& source, net::Fetcher& fetcher, Observer& observer,
            const StopFlag& stop, const NearbyDevices& nearby = {}, RestoreRules rules = {});
    ~Restore();
    Restore(const Restore&) = delete;
    Restore& operator=(const Restore&) = delete;

    // Restores every marked block; with none marked and the record golden it does nothing and makes no
    // request. Before the first block is written the record says `restoring` (or stays `provisioning`), until
    // no mark is left (invariant 9).
    //
    // On an error each block stays marked that is not known golden, and another attempt goes on from there:
    // no range that has arrived and is verified is asked for again. Where the record says that the disk is a
    // mixture, those ranges are written and have lost their marks, also when a stop is asked for, so that
    // another process needs not ask for them either. Where it says golden they wait in memory, until so much
    // has arrived that writing may begin. Failure::refused: max_fetch, which allows no other attempt either.
    // Failure::disk also where what was written twice cannot be read again; it is marked then.
    Result<void> attempt();

    // Of all attempts together.
    RestoreReport report() const;

  private:
    struct Pass;

    Result<void> run();
    Result<void> clear_what_is_right();
    Result<void> touch_version();
    std::optional<Bytes> most_to_fetch() const;
    Result<void> check_need();
    Result<void> bring_all();
    Result<void> bring();
    Result<BlockSet> forgotten();
    Result<void> read_back();
    Result<void> bring_by(Pass& pass);

    RestoreTarget target_;
    const store::Source& source_;
    net::Fetcher& fetcher_;
    Observer& observer_;
    const StopFlag& stop_;
    store::Nearby nearby_;
    const RestoreRules rules_;
    BlockSet written_;  // where it is to be read back
    const net::Totals totals_before_;
    store::TreeReader tree_;
    BlockIndex compared_until_;
    Blocks unreadable_;
    FrameVerifiers verifiers_;
    std::unique_ptr<Need> need_;
    bool need_is_met_ = false;
    std::unique_ptr<Pass> pass_;
    RestoreReport report_;
};

}  // namespace regild::volume
