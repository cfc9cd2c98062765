// SPDX-License-Identifier: GPL-2.0-or-later
// Chunks that were verified once, kept on a local device by their digests, so that the next restore needs no
// network. A chunk is a frame or a hash block as it came; the same one serves each version that has it.
//
// The oldest chunks make room for new ones; one that is wanted again when half of all others are newer counts
// as new, and stays however much else is put by who wants it. Nothing is lost that could not be had again: no
// write is waited for, and what a power cut, another writer or a bad disk leave is no chunk with that digest.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "block/storage.hpp"
#include "format/cache.hpp"

namespace regild::store {

// get() and forget() may be called by several threads at once, while nothing else is.
class Cache {
  public:
    // `device` outlives the cache. Failure::refused: it is too small for one.
    static Result<Cache> open(block::Storage& device);
    // To look at it while somebody else may write to it: nothing is written and put() does nothing. What he
    // has put meanwhile may be missing. Where there is no cache yet it is an empty one.
    static Result<Cache> look(block::Storage& device);

    // Whether get() may well find it. No chunk is read.
    bool has(const Digest& digest);
    // What is kept under this digest. It may be anything, and as long as `longest`.
    std::optional<ByteVector> get(const Digest& digest, Bytes longest);
    // What get() found is not what it should be.
    void forget(const Digest& digest);
    // A chunk that was verified, be it that it came from here or from elsewhere. Nothing that is there
    // already is written again, or moved.
    void put(const Digest& digest, ConstByteSpan chunk);
    // Whether half of what the ring holds is newer.
    bool is_old(const Digest& digest);
    // Makes new again what was put although it was there, since it was opened or since the last call, and is
    // old: when all that is wanted has been got, for it takes the place of the oldest.
    void renew();
    // The same now and then while chunks are put: of so many, what is wanted would be lost before the end.
    // What is not got yet may be. Nothing where more than half of the ring is wanted.
    void renew_in_time();
    // The same for all that was put although it was there, unless it is the newest there is: renewable()
    // bytes, which then stay as long as the ring has room for them and what is put behind them.
    void renew_all();
    Bytes renewable() const;
    // Writes what only memory has as yet.
    void finish();
    // The same, durably.
    void flush();
    // Forgets everything, durably when it returns without an error.
    void drop();

    // A write that failed, after which the cache is as good as empty and takes nothing. What cannot be read
    // is not there.
    const std::optional<Error>& error() const { return error_; }
    // The first read that failed.
    const std::optional<Error>& read_error() const { return read_error_; }
    // open() found none that is valid.
    bool is_new() const { return is_new_; }
    // What was ever put into the ring, with what waits in memory: as long as it does not grow, nothing is
    // lost.
    Bytes all_written() const { return written_ + Bytes(pending_length_); }
    const format::CacheGeometry& geometry() const { return geometry_; }
    // How many chunks the table knows of, and their length.
    struct Content {
        std::uint64_t chunks = 0;
        Bytes length;
    };
    Content content();

  private:
    struct Bucket {
        format::CacheBucket entries;
        bool changed = false;
    };

    Cache(block::Storage& device, format::CacheGeometry geometry, Bytes written);
    struct Found {
        format::CacheGeometry geometry;
        std::optional<Bytes> written;  // nothing: there is no cache yet
    };
    static Result<Found> find_on(block::Storage& device);
    Bucket* bucket(std::uint64_t number);
    format::CacheEntry* find(const Digest& digest);
    void write_bucket(std::uint64_t number, Bucket& bucket);
    Bytes pending_offset() const { return Bytes(written_.count() % geometry_.ring_length().count()); }
    // Whether there is one, and nothing was put over it since.
    bool is_current(const format::CacheEntry& entry) const;
    // How much was put into the ring since this was, of a current one.
    Bytes age_of(const format::CacheEntry& entry) const;
    void renew_older_than(Bytes age);
    void write_pending();
    bool failed(const Result<void>& result);
    void note_unreadable(const Error& error);

    block::Storage* device_;
    format::CacheGeometry geometry_;
    // Guards what get() and forget() touch.
    std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
    std::map<std::uint64_t, Bucket> buckets_;
    Bytes written_;                 // to the ring, lap after lap: a multiple of format::cache_unit
    block::AlignedBuffer pending_;  // what comes next
    std::size_t pending_length_ = 0;
    bool changed_ = false;
    bool only_looks_ = false;
    bool is_new_ = false;
    std::set<Digest> wanted_;  // put although it was there since before
    Bytes wanted_length_;
    // When so much had been put into the ring:
    Bytes begun_at_;  // it was opened, or renew() was called
    Bytes renewed_at_;
    std::uint64_t dropped_ = 0;  // bucket that made room last
    std::optional<Error> error_;
    std::optional<Error> read_error_;
};

}  // namespace regild::store
