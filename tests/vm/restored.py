#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows a restore through what QEMU's blklogwrites saw of the one disk that
carries data and log, and asserts after every request what a power cut there
must find:

- a block is written only while its mark and the record's state `restoring` (or
  `provisioning`) are on stable storage (invariants 1 and 9);
- a mark is cleared only after the block's content is on stable storage
  (invariant 2);
- the record says `golden` only once all cleared marks are on stable storage.

  restored.py BLKLOG DISK --log-start BYTES --data-start BYTES --at-least BLOCKS

DISK is a copy of the disk from before the restore, whose record says `golden`
and whose marks are durable. At least so many blocks must be written and
cleared. A request that completed after a flush was submitted, but is logged
before it, is credited to that flush: too kind, never too strict.
"""

import argparse
import struct
import sys

import replay
import writelog

GOLDEN = 3


class Restore:
    def __init__(self, args):
        self.log_start, self.data_start = args.log_start, args.data_start
        with open(args.disk, "rb") as disk:
            self.superblock, self.durable, untrusted = writelog.read_log(disk, args.log_start)
            if untrusted:
                sys.exit("log sectors that cannot be trusted before the restore")
            superblock = self.superblock
            second = writelog.BITMAP_OFFSET + superblock.bitmap_length
            self.slots = {}
            for offset in (8192, second):
                disk.seek(args.log_start + offset)
                self.slots[offset] = self.record(disk.read(writelog.RECORD_SIZE))
        self.block = superblock.block_sectors * writelog.SECTOR
        self.marks = self.durable        # as a reader without a power cut sees them
        self.unflushed = 0               # blocks whose content is not durable
        self.clearing = 0                # blocks whose cleared mark is not durable
        self.written = self.cleared = 0
        self.pending = dict(self.slots)  # records that are not durable yet
        self.end = superblock.nr_blocks
        self.flushes = 0

    def record(self, raw):
        """(sequence, state) of a slot; (0, 0) where none is."""
        if raw[:8] != b"REGILDIR":
            return 0, 0
        return struct.unpack_from("<QI", raw, 16)

    def state(self, slots):
        return max(slots.values())[1]

    def flush(self):
        self.flushes += 1
        self.unflushed = self.clearing = 0
        self.durable = self.marks
        self.slots = dict(self.pending)

    def entry(self, offset, length, flags, data):
        if length == 0 or flags & replay.FLUSH:
            self.flush()
        if length == 0:
            return None
        data_end = self.data_start + self.superblock.data_sectors * writelog.SECTOR
        at = offset - self.log_start
        problem = None
        if self.data_start <= offset < data_end:
            problem = self.content(offset - self.data_start, length)
        elif 0 <= at - writelog.BITMAP_OFFSET < self.superblock.bitmap_length and data:
            problem = self.bitmap((at - writelog.BITMAP_OFFSET) // writelog.SECTOR, data)
        elif at in self.pending and data:
            problem = self.new_record(at, data)
        if flags & replay.FUA:
            self.flush()
        return problem

    def content(self, offset, length):
        first, last = offset // self.block, (offset + length - 1) // self.block
        blocks = ((1 << (last - first + 1)) - 1) << first
        self.unflushed |= blocks
        self.written |= blocks
        if blocks & ~self.durable:
            return "written without a durable mark: blocks " + writelog.format_ranges(blocks & ~self.durable)
        if self.state(self.slots) == GOLDEN:
            return "written while the durable record says golden: blocks " + writelog.format_ranges(blocks)
        return None

    def bitmap(self, index, data):
        uuid_crc = writelog.crc32c(self.superblock.uuid)
        for n in range(len(data) // writelog.SECTOR):
            if index + n >= self.superblock.nr_sectors:
                break
            sector = data[n * writelog.SECTOR:(n + 1) * writelog.SECTOR]
            bits = writelog.parse_sector(uuid_crc, index + n, sector)
            if bits is None:
                return "log sector %d with a wrong checksum" % (index + n)
            shift = (index + n) * writelog.BITS
            before = (self.marks >> shift) & writelog.ALL
            gone = (before & ~bits) << shift
            self.cleared |= gone
            self.clearing |= gone
            self.marks ^= (before ^ bits) << shift
            # Until the next flush either version may be there.
            self.durable &= ~gone
            if gone & self.unflushed:
                return "cleared before its content is durable: blocks " + writelog.format_ranges(gone & self.unflushed)
            if gone & ~self.written:
                return "cleared and never written: blocks " + writelog.format_ranges(gone & ~self.written)
        return None

    def new_record(self, at, data):
        self.pending[at] = self.record(data)
        if self.state(self.pending) == GOLDEN and (self.marks or self.clearing):
            return "the record says golden before all marks are durably gone"
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("blklog")
    parser.add_argument("disk")
    for name in ("--log-start", "--data-start", "--at-least"):
        parser.add_argument(name, type=int, required=True)
    args = parser.parse_args()
    restore = Restore(args)
    if restore.state(restore.slots) != GOLDEN:
        sys.exit("the volume was not golden with marks before the restore")
    count = 0
    with open(args.blklog, "rb") as file:
        for count, entry in enumerate(replay.entries(file), 1):
            problem = restore.entry(*entry)
            if problem:
                sys.exit("entry %d: %s" % (count, problem))
    print("%d entries, %d flushes, %d blocks written, %d cleared"
          % (count, restore.flushes, restore.written.bit_count(), restore.cleared.bit_count()))
    if restore.marks or restore.state(restore.slots) != GOLDEN or restore.unflushed or restore.clearing:
        sys.exit("in the end the volume is not golden, durably")
    if min(restore.written.bit_count(), restore.cleared.bit_count()) < args.at_least:
        sys.exit("too few blocks to show anything")


if __name__ == "__main__":
    main()
