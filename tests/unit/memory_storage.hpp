// SPDX-License-Identifier: GPL-2.0-or-later
// A disk in memory for tests. It counts flushes, records what was done in order, fails where it is told to,
// and loses what was not flushed when its power is cut.
#pragma once

#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "block/storage.hpp"

namespace regild::test {

struct Operation {
    enum class Kind { read, write, zero, flush };
    Kind kind = Kind::flush;
    Bytes offset;
    Bytes length;
    ByteVector data;  // what a write wrote
};

class MemoryStorage final : public block::Storage {
  public:
    explicit MemoryStorage(Bytes size, Bytes alignment = Bytes(512), std::string name = "memory")
        : name_(std::move(name)), alignment_(alignment), bytes_(size.count()), durable_(size.count()) {}

    // A disk that holds `content`, durably.
    explicit MemoryStorage(ByteVector content, Bytes alignment = Bytes(512), std::string name = "memory")
        : name_(std::move(name)), alignment_(alignment), bytes_(std::move(content)), durable_(bytes_) {}

    const std::string& name() const override { return name_; }
    Bytes size() const override { return Bytes(bytes_.size()); }
    Bytes alignment() const override { return alignment_; }

    Result<void> read(Bytes offset, ByteSpan into) override {
        const std::lock_guard lock(mutex_);
        const Bytes length(into.size());
        if (Result<void> r = begin(Operation::Kind::read, offset, length); !r) return r;
        if (const std::optional<Bytes> bad = first_unreadable(offset, length)) {
            if (heals_in_ && --*heals_in_ == 0) unreadable_.clear();
            return Error{Failure::disk, name_ + ": read error at byte " + std::to_string(bad->count())};
        }
        if (!into.empty()) std::memcpy(into.data(), bytes_.data() + offset.count(), into.size());
        note({Operation::Kind::read, offset, length, {}});
        return {};
    }

    Result<void> write(Bytes offset, ConstByteSpan from) override {
        const std::lock_guard lock(mutex_);
        const Bytes length(from.size());
        if (Result<void> r = begin(Operation::Kind::write, offset, length); !r) return r;
        if (!from.empty()) std::memcpy(bytes_.data() + offset.count(), from.data(), from.size());
        make_readable(offset, length);
        note({Operation::Kind::write, offset, length, ByteVector(from.begin(), from.end())});
        return {};
    }

    Result<void> zero(Bytes offset, Bytes length) override {
        const std::lock_guard lock(mutex_);
        if (Result<void> r = begin(Operation::Kind::zero, offset, length); !r) return r;
        if (length != Bytes(0)) std::memset(bytes_.data() + offset.count(), 0, length.count());
        make_readable(offset, length);
        note({Operation::Kind::zero, offset, length, {}});
        return {};
    }

    Result<void> flush() override {
        const std::lock_guard lock(mutex_);
        if (Result<void> r = begin(Operation::Kind::flush, Bytes(0), Bytes(0)); !r) return r;
        durable_ = bytes_;
        ++flushes_;
        note({Operation::Kind::flush, Bytes(0), Bytes(0), {}});
        return {};
    }

    // What is on it, for a test to look at or to damage (durably).
    const ByteVector& content() const { return bytes_; }
    void overwrite(Bytes offset, ConstByteSpan with) {
        std::memcpy(bytes_.data() + offset.count(), with.data(), with.size());
        std::memcpy(durable_.data() + offset.count(), with.data(), with.size());
    }

    std::uint64_t flushes() const { return flushes_; }

    // Reads, writes, zeroes and flushes that succeeded, in order, from now on.
    void start_trace() {
        tracing_ = true;
        trace_.clear();
    }
    const std::vector<Operation>& trace() const { return trace_; }

    // The n-th operation from now fails (1 is the next); with `stay_failed` all later ones too.
    void fail_at(std::uint64_t n, bool stay_failed = false) {
        fail_in_ = n;
        stay_failed_ = stay_failed;
    }
    // Only operations of this kind count for fail_at.
    void fail_only(std::optional<Operation::Kind> kind) { fail_kind_ = kind; }
    void never_fail() { fail_in_.reset(); }

    // A read that touches these bytes is a read error until they are written.
    void make_unreadable(Bytes offset, Bytes length) {
        if (unreadable_.empty()) unreadable_.resize(bytes_.size());
        std::fill_n(unreadable_.begin() + static_cast<std::ptrdiff_t>(offset.count()), length.count(), true);
    }

    // Everything can be read again after so many read errors.
    void heal_after(std::uint64_t read_errors) { heals_in_ = read_errors; }

    // Everything since the last flush is gone.
    void cut_power() { bytes_ = durable_; }

  private:
    Result<void> begin(Operation::Kind kind, Bytes offset, Bytes length) {
        if (offset.count() % alignment_.count() != 0 || length.count() % alignment_.count() != 0)
            return Error{Failure::disk, name_ + ": not aligned"};
        if (offset > size() || length > size() - offset)
            return Error{Failure::disk, name_ + ": past the end"};
        if (fail_in_ && (!fail_kind_ || *fail_kind_ == kind)) {
            if (*fail_in_ > 1) {
                --*fail_in_;
            } else {
                if (!stay_failed_) fail_in_.reset();
                return Error{Failure::disk, name_ + ": error on demand"};
            }
        }
        return {};
    }

    void note(Operation operation) {
        if (tracing_) trace_.push_back(std::move(operation));
    }

    std::optional<Bytes> first_unreadable(Bytes offset, Bytes length) const {
        if (unreadable_.empty()) return std::nullopt;
        for (std::uint64_t at = offset.count(); at < (offset + length).count(); ++at)
            if (unreadable_[at]) return Bytes(at);
        return std::nullopt;
    }

    void make_readable(Bytes offset, Bytes length) {
        if (unreadable_.empty()) return;
        std::fill_n(unreadable_.begin() + static_cast<std::ptrdiff_t>(offset.count()), length.count(), false);
    }

    std::string name_;
    Bytes alignment_;
    ByteVector bytes_;    // what a read returns
    ByteVector durable_;  // what survives a power cut
    std::vector<bool> unreadable_;
    std::optional<std::uint64_t> heals_in_;
    std::uint64_t flushes_ = 0;
    bool tracing_ = false;
    std::vector<Operation> trace_;
    std::optional<std::uint64_t> fail_in_;
    std::optional<Operation::Kind> fail_kind_;
    bool stay_failed_ = false;
    std::mutex mutex_;
};

// Calls check(content) with what a disk may hold after a power cut, for every prefix of `trace`, which began
// on a disk that held `before`. Of the writes since the last flush any sector may have landed: none, all, all
// but one write, one write alone, and a few mixtures of sectors (the same ones in every run).
inline void for_each_power_cut(const ByteVector& before, const std::vector<Operation>& trace,
                               const std::function<void(const ByteVector& content)>& check) {
    constexpr std::size_t sector = 512;
    constexpr int mixtures = 8;
    std::mt19937 random(1);  // NOLINT: the same mixtures in every run

    const auto land = [](ByteVector& disk, const Operation& op, const std::function<bool()>& lands) {
        for (std::size_t at = 0; at < op.length.count(); at += sector) {
            if (!lands()) continue;
            std::byte* const to = disk.data() + op.offset.count() + at;
            if (op.kind == Operation::Kind::zero)
                std::memset(to, 0, sector);
            else
                std::memcpy(to, op.data.data() + at, sector);
        }
    };

    ByteVector durable = before;
    std::vector<const Operation*> pending;
    check(durable);
    for (const Operation& op : trace) {
        if (op.kind == Operation::Kind::read) continue;
        if (op.kind == Operation::Kind::flush) {
            for (const Operation* write : pending)
                land(durable, *write, [] { return true; });
            pending.clear();
            continue;
        }
        pending.push_back(&op);
        const auto state = [&](const std::function<bool(std::size_t)>& lands) {
            ByteVector disk = durable;
            for (std::size_t i = 0; i < pending.size(); ++i)
                land(disk, *pending[i], [&] { return lands(i); });
            check(disk);
        };
        state([](std::size_t) { return false; });
        state([](std::size_t) { return true; });
        for (std::size_t one = 0; pending.size() > 1 && one < pending.size(); ++one) {
            state([&](std::size_t i) { return i == one; });
            state([&](std::size_t i) { return i != one; });
        }
        for (int i = 0; i < mixtures; ++i)
            state([&](std::size_t) { return (random() & 1) != 0; });
    }
    check(durable);
}

}  // namespace regild::test
