// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/cache.hpp"

#include <algorithm>
#include <cstring>

namespace regild::store {
namespace {

constexpr Bytes unit = format::cache_unit;
constexpr Bytes pending_size = MiB(1);          // longer than the longest chunk, a frame of 512 KiB
constexpr std::size_t max_wanted = 65536;       // chunks
constexpr std::size_t max_buckets_held = 1024;  // 4 MiB on the device

Result<void> empty_table(block::Storage& device, const format::CacheGeometry& geometry) {
    return device.zero(geometry.bucket_offset(0), geometry.ring_offset() - geometry.bucket_offset(0));
}

Bytes round_down(Bytes bytes) {
    return Bytes(bytes.count() / unit.count() * unit.count());
}

}  // namespace

Cache::Cache(block::Storage& device, format::CacheGeometry geometry, Bytes written)
    : device_(&device),
      geometry_(geometry),
      written_(written),
      pending_(pending_size.count()),
      begun_at_(written),
      renewed_at_(written) {}

Result<Cache::Found> Cache::find_on(block::Storage& device) {
    const std::optional<format::CacheGeometry> geometry = format::CacheGeometry::make(device.size());
    if (!geometry)
        return Error{Failure::refused, device.name() + " is too small for a cache: it has " +
                                           format_size(device.size()) + ", and the least is " +
                                           format_size(format::min_cache_size)};
    block::AlignedBuffer buffer(unit.count());
    if (Result<void> read = device.read(Bytes(0), buffer.span()); !read) return read.error();
    const std::optional<format::CacheHeader> header =
        format::parse_cache_header(ConstByteSpan(buffer.span()).first<4096>());
    if (header && header->device_size == device.size()) return Found{*geometry, header->written};
    return Found{*geometry, std::nullopt};
}

Result<Cache> Cache::open(block::Storage& device) {
    const Result<Found> found = find_on(device);
    if (!found) return found.error();
    if (found->written) return Cache(device, found->geometry, *found->written);
    // Whatever is there: entries that mean nothing are better not there at all.
    if (Result<void> emptied = empty_table(device, found->geometry); !emptied) return emptied.error();
    Cache fresh(device, found->geometry, Bytes(0));
    fresh.is_new_ = true;
    fresh.changed_ = true;
    // Chunks without a header would be data that nobody knows.
    fresh.flush();
    if (fresh.error_) return *fresh.error_;
    return fresh;
}

Result<Cache> Cache::look(block::Storage& device) {
    const Result<Found> found = find_on(device);
    if (!found) return found.error();
    Cache cache(device, found->geometry, found->written.value_or(Bytes(0)));
    cache.only_looks_ = true;
    return cache;
}

void Cache::note_unreadable(const Error& error) {
    if (!read_error_) read_error_ = error;
}

bool Cache::failed(const Result<void>& result) {
    if (!result) error_ = result.error();
    return !result;
}

// Nothing after an error.
Cache::Bucket* Cache::bucket(std::uint64_t number) {
    if (error_) return nullptr;
    if (const auto held = buckets_.find(number); held != buckets_.end()) return &held->second;
    if (buckets_.size() >= max_buckets_held) {
        auto victim = buckets_.upper_bound(dropped_);
        if (victim == buckets_.end()) victim = buckets_.begin();
        dropped_ = victim->first;
        write_bucket(victim->first, victim->second);
        buckets_.erase(victim);
        if (error_) return nullptr;
    }
    block::AlignedBuffer buffer(unit.count());
    Bucket held{};
    if (const Result<void> read = device_->read(geometry_.bucket_offset(number), buffer.span()); read)
        held.entries =
            format::parse_bucket(ConstByteSpan(buffer.span()).first<4096>(), geometry_.ring_length());
    else
        note_unreadable(read.error());
    return &buckets_.emplace(number, held).first->second;
}

void Cache::write_bucket(std::uint64_t number, Bucket& bucket) {
    if (!bucket.changed || error_ || only_looks_) return;
    const format::CacheUnit bytes = format::serialize_bucket(bucket.entries);
    block::AlignedBuffer buffer(unit.count());
    std::ranges::copy(bytes, buffer.data());
    if (!failed(device_->write(geometry_.bucket_offset(number), buffer.span()))) bucket.changed = false;
}

format::CacheEntry* Cache::find(const Digest& digest) {
    Bucket* const in = bucket(geometry_.bucket_of(digest));
    if (!in) return nullptr;
    const std::uint64_t fingerprint = format::fingerprint_of(digest);
    const auto found = std::ranges::find_if(in->entries, [&](const format::CacheEntry& entry) {
        return entry.fingerprint == fingerprint && is_current(entry);
    });
    return found == in->entries.end() ? nullptr : &*found;
}

bool Cache::has(const Digest& digest) {
    return find(digest) != nullptr;
}

std::optional<ByteVector> Cache::get(const Digest& digest, Bytes longest) {
    std::unique_lock lock(*mutex_);
    const format::CacheEntry* const found = find(digest);
    if (!found) return std::nullopt;
    const format::CacheEntry entry = *found;
    lock.unlock();
    if (entry.length > longest) {
        forget(digest);
        return std::nullopt;
    }
    ByteVector chunk(entry.length.count());
    if (entry.offset >= pending_offset() &&
        entry.offset + entry.length <= pending_offset() + Bytes(pending_length_)) {
        std::memcpy(chunk.data(), pending_.data() + (entry.offset - pending_offset()).count(), chunk.size());
        return chunk;
    }
    const Bytes begin = round_down(entry.offset);
    const Bytes end = round_up(entry.offset + entry.length, unit);
    block::AlignedBuffer buffer((end - begin).count());
    if (const Result<void> read = device_->read(geometry_.ring_offset() + begin, buffer.span()); !read) {
        forget(digest);
        lock.lock();
        note_unreadable(read.error());
        return std::nullopt;
    }
    std::memcpy(chunk.data(), buffer.data() + (entry.offset - begin).count(), chunk.size());
    return chunk;
}

void Cache::forget(const Digest& digest) {
    const std::lock_guard lock(*mutex_);
    Bucket* const in = bucket(geometry_.bucket_of(digest));
    if (!in) return;
    const std::uint64_t fingerprint = format::fingerprint_of(digest);
    for (format::CacheEntry& entry : in->entries) {
        if (entry.fingerprint != fingerprint || entry.length == Bytes(0)) continue;
        entry = {};
        in->changed = true;
        changed_ = true;
    }
}

bool Cache::is_current(const format::CacheEntry& entry) const {
    if (entry.length == Bytes(0)) return false;
    const std::uint64_t ring = geometry_.ring_length().count();
    const std::uint64_t lap = all_written().count() / ring;
    const Bytes position(all_written().count() % ring);
    if (entry.offset < position) return entry.lap == lap % format::cache_laps;
    return lap > 0 && entry.lap == (lap - 1) % format::cache_laps;
}

Bytes Cache::age_of(const format::CacheEntry& entry) const {
    const Bytes position(all_written().count() % geometry_.ring_length().count());
    return entry.offset < position ? position - entry.offset
                                   : position + geometry_.ring_length() - entry.offset;
}

void Cache::put(const Digest& digest, ConstByteSpan chunk) {
    if (only_looks_) return;
    if (const format::CacheEntry* const entry = find(digest)) {
        const bool was_there = age_of(*entry) > all_written() - begun_at_;
        if (was_there && wanted_.size() < max_wanted && wanted_.insert(digest).second)
            wanted_length_ += round_up(Bytes(chunk.size()), format::chunk_alignment);
        return;
    }
    const Bytes length = round_up(Bytes(chunk.size()), format::chunk_alignment);
    if (error_ || length > pending_size || length > geometry_.ring_length()) return;
    if (Bytes(pending_length_) + length > pending_size ||
        pending_offset() + Bytes(pending_length_) + length > geometry_.ring_length())
        write_pending();
    if (pending_offset() + length > geometry_.ring_length())
        written_ = round_up(written_, geometry_.ring_length());
    Bucket* const in = bucket(geometry_.bucket_of(digest));
    if (!in) return;

    forget(digest);
    auto* place = std::ranges::find_if(
        in->entries, [this](const format::CacheEntry& entry) { return !is_current(entry); });
    if (place == in->entries.end())
        place = std::ranges::max_element(in->entries, {},
                                         [this](const format::CacheEntry& entry) { return age_of(entry); });
    *place = {format::fingerprint_of(digest), pending_offset() + Bytes(pending_length_), Bytes(chunk.size()),
              written_.count() / geometry_.ring_length().count() % format::cache_laps};
    in->changed = true;
    changed_ = true;
    std::ranges::copy(chunk, pending_.data() + pending_length_);
    std::fill_n(pending_.data() + pending_length_ + chunk.size(), length.count() - chunk.size(),
                std::byte{0});
    pending_length_ += length.count();
}

bool Cache::is_old(const Digest& digest) {
    const format::CacheEntry* const entry = find(digest);
    return entry && age_of(*entry).count() > geometry_.ring_length().count() / 2;
}

void Cache::renew() {
    renew_older_than(Bytes(geometry_.ring_length().count() / 2));
    wanted_.clear();
    wanted_length_ = Bytes(0);
    begun_at_ = all_written();
}

void Cache::renew_in_time() {
    const std::uint64_t ring = geometry_.ring_length().count();
    if (renewable() > Bytes(0) && (all_written() - renewed_at_).count() > ring / 8)
        renew_older_than(Bytes(ring / 2));
}

void Cache::renew_all() {
    const auto is_new = [&](const Digest& digest) {
        const format::CacheEntry* const entry = find(digest);
        return !entry || age_of(*entry) <= renewable() + KiB(64);  // what finish() pads besides
    };
    if (renewable() > Bytes(0) && !std::ranges::all_of(wanted_, is_new)) renew_older_than(Bytes(0));
}

Bytes Cache::renewable() const {
    return wanted_length_.count() > geometry_.ring_length().count() / 2 ? Bytes(0) : wanted_length_;
}

void Cache::renew_older_than(Bytes age) {
    renewed_at_ = all_written();
    for (const Digest& digest : wanted_) {
        const format::CacheEntry* const entry = find(digest);
        if (!entry || age_of(*entry) <= std::max(age, all_written() - renewed_at_)) continue;
        const std::optional<ByteVector> chunk = get(digest, pending_size);
        if (!chunk) continue;
        forget(digest);
        put(digest, *chunk);
    }
}

// What comes next begins in the next unit.
void Cache::write_pending() {
    if (pending_length_ == 0 || error_) return;
    const Bytes length = round_up(Bytes(pending_length_), unit);
    std::fill_n(pending_.data() + pending_length_, length.count() - pending_length_, std::byte{0});
    if (failed(device_->write(geometry_.ring_offset() + pending_offset(), pending_.span(0, length.count()))))
        return;
    written_ += length;
    pending_length_ = 0;
}

void Cache::finish() {
    if (!changed_ || error_ || only_looks_) return;
    write_pending();
    for (auto& [number, held] : buckets_)
        write_bucket(number, held);
    if (error_) return;
    const format::CacheUnit header = format::serialize_cache_header({device_->size(), written_});
    block::AlignedBuffer buffer(unit.count());
    std::ranges::copy(header, buffer.data());
    if (!failed(device_->write(Bytes(0), buffer.span()))) changed_ = false;
}

void Cache::flush() {
    finish();
    if (!error_) failed(device_->flush());
}

void Cache::drop() {
    buckets_.clear();
    pending_length_ = 0;
    written_ = begun_at_ = renewed_at_ = Bytes(0);
    if (error_ || failed(empty_table(*device_, geometry_))) return;
    changed_ = true;
    flush();
}

Cache::Content Cache::content() {
    Content content;
    for (std::uint64_t number = 0; number < geometry_.buckets(); ++number) {
        const Bucket* const held = bucket(number);
        if (!held) break;
        for (const format::CacheEntry& entry : held->entries) {
            if (!is_current(entry)) continue;
            ++content.chunks;
            content.length += entry.length;
        }
    }
    return content;
}

}  // namespace regild::store
