#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays what QEMU's blklogwrites saw of one disk that carries a write log
and its data, and asserts invariant 1 after every entry, for the worst power
cut that could happen there: every data request has landed at once, and a mark
counts only if a flush or FUA made it durable.

  replay.py BLKLOG --log-start BYTES --data-start BYTES --data-sectors N
            --block-sectors N [--at-least ENTRIES]

The disk starts with a clean log, made by writelog.py with the default uuid,
and golden data.

What is asserted is stronger than "no block that differs from golden is
unmarked": no block that any request has touched is, whatever the bytes were.

A log sector that was written and not flushed may be on the disk or not, in any
of the versions since the last flush: a mark counts if the durable version and
all later ones have it. So a mark that gets lost again is found, too.

The disk must be one, or the order between log and data is lost. QEMU logs a
request when it completes. A log write that completed after a flush was
submitted, but before that flush's entry, is credited to it: this oracle is too
kind to it, never too strict. virtio has no FUA: it shows as write and flush.

Exit: 0 if nothing was violated; 1 otherwise.
"""

import argparse
import struct
import sys

import writelog

MAGIC = 0x6A736677736872
FLUSH, FUA, DISCARD = 1, 2, 4
SECTOR = writelog.SECTOR


def entries(file):
    """Yields (byte offset, length, flags, data or None) from a dm-log-writes log."""
    magic, version, count, sector_size = struct.unpack_from("<QQQI", file.read(SECTOR))
    if magic != MAGIC or version != 1:
        sys.exit("not a log of writes")
    file.seek(sector_size)
    for _ in range(count):
        raw = file.read(sector_size)
        sector, nr_sectors, flags, _ = struct.unpack_from("<QQQQ", raw)
        length = nr_sectors * sector_size
        data = None
        if length and not flags & DISCARD:
            data = file.read(length)
            if len(data) != length:
                sys.exit("the log of writes ends within an entry")
        yield sector * sector_size, length, flags, data


class Checker:
    def __init__(self, args, superblock):
        self.superblock = superblock
        self.uuid_crc = writelog.crc32c(superblock.uuid)
        self.log_start = args.log_start
        self.data_start = args.data_start
        self.data_end = args.data_start + superblock.data_sectors * SECTOR
        self.block = superblock.block_sectors * SECTOR
        # Per log sector: raw bytes and bits of the last version, marks that
        # every version has that may be on the disk, blocks touched so far.
        self.raw = [None] * superblock.nr_sectors
        self.last = [0] * superblock.nr_sectors
        self.sure = [0] * superblock.nr_sectors
        self.touched = [0] * superblock.nr_sectors
        self.volatile = set()
        self.violations = 0
        self.first = None
        self.counts = {"data": 0, "log": 0, "flush": 0, "discard": 0}
        self.log_bytes = 0

    def violation(self, number, what):
        self.violations += 1
        if self.first is None:
            self.first = "entry %d: %s" % (number, what)

    def entry(self, number, offset, length, flags, data):
        if length == 0:
            if flags & FLUSH:
                self.flush()
            return
        if flags & FLUSH:
            self.flush()
        end = offset + length
        bitmap_start = self.log_start + writelog.BITMAP_OFFSET
        bitmap_end = bitmap_start + self.superblock.bitmap_length
        if bitmap_start <= offset and end <= bitmap_end and data is not None:
            self.log_write(number, offset - bitmap_start, data)
            if flags & FUA:
                self.flush()
        elif self.data_start <= offset and end <= self.data_end:
            self.counts["discard" if flags & DISCARD else "data"] += 1
            self.data_write(number, offset - self.data_start, length)
        else:
            self.violation(number, "a request outside bitmap and data: %d bytes at %d" % (length, offset))

    def flush(self):
        self.counts["flush"] += 1
        for index in self.volatile:
            self.sure[index] = self.last[index]
        self.volatile.clear()

    def log_write(self, number, offset, data):
        self.counts["log"] += 1
        self.log_bytes += len(data)
        if offset % SECTOR:
            self.violation(number, "a log write that is not aligned")
            return
        for at in range(0, len(data), SECTOR):
            index = (offset + at) // SECTOR
            if index >= self.superblock.nr_sectors:
                continue
            raw = data[at:at + SECTOR]
            # Equal bytes change nothing, and checksums are what costs here.
            if raw != self.raw[index]:
                bits = writelog.parse_sector(self.uuid_crc, index, raw)
                if bits is None:
                    self.violation(number, "log sector %d with a wrong checksum" % index)
                    return
                if bits & ~self.superblock.valid_bits(index):
                    self.violation(number, "log sector %d marks blocks past the last one" % index)
                self.raw[index] = raw
                self.last[index] = bits
                self.sure[index] &= bits
                self.volatile.add(index)
                self.check(number, index, self.touched[index])

    def data_write(self, number, offset, length):
        first = offset // self.block
        last = (offset + length - 1) // self.block
        while first <= last:
            index, bit = divmod(first, writelog.BITS)
            nr = min(last - first + 1, writelog.BITS - bit)
            touch = ((1 << nr) - 1) << bit
            self.touched[index] |= touch
            self.check(number, index, touch)
            first += nr

    def check(self, number, index, blocks):
        """No touched block may be unmarked on stable storage."""
        missing = blocks & ~self.sure[index]
        if missing:
            self.violation(number, "touched, and not durably marked: blocks %s + %d"
                           % (writelog.format_ranges(missing), index * writelog.BITS))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("blklog")
    for name in ("--log-start", "--data-start", "--data-sectors", "--block-sectors"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--at-least", type=int, default=1)
    args = parser.parse_args()

    uuid = bytes.fromhex("00112233445566778899aabbccddeeff")
    checker = Checker(args, writelog.Superblock(uuid, args.block_sectors, args.data_sectors))
    number = 0
    with open(args.blklog, "rb") as file:
        for number, entry in enumerate(entries(file), 1):
            checker.entry(number, *entry)
    checker.flush()
    if checker.last != checker.touched:
        checker.violation(number, "in the end the marked set is not the touched set")

    touched = sum(bits.bit_count() for bits in checker.touched)
    print("%d entries (%s), %d blocks touched, %d violations"
          % (number, ", ".join("%d %s" % (n, what) for what, n in checker.counts.items()),
             touched, checker.violations))
    if checker.first:
        print("first:", checker.first)
    if number < args.at_least or not touched:
        sys.exit("too few entries to show anything")
    sys.exit(1 if checker.violations else 0)


if __name__ == "__main__":
    main()
