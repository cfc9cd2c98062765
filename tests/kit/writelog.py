#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An independent reader and writer of the write log (include/regild/
writelog_format.h), for the host's side of the tests.

  writelog.py format FILE --data-sectors N [--block-sectors 128] [--start BYTES]
                     [--mark RANGES] [--uuid HEX]
  writelog.py marks  FILE [--start BYTES]      prints "0-3 17" or "none"
  writelog.py covers FILE GOLDEN DISK [--start BYTES] [--data-start BYTES]
                     every block of DISK that differs from GOLDEN is marked

format changes only the log's own bytes of FILE and makes FILE long enough.
"""

import argparse
import os
import struct
import sys

SECTOR = 512
UNIT = 4096
BITMAP_OFFSET = 65536
RECORD_SIZE = 16384
BITS = 4032
ALL = (1 << BITS) - 1
SUPER = struct.Struct("<8sII16sI4xQQQQ")


def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_TABLE = _table()


def crc32c(data, crc=0):
    table = _TABLE
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Damaged(Exception):
    pass


def make_sector(uuid, index, bits):
    body = struct.pack("<I", index) + bits.to_bytes(BITS // 8, "little")
    return struct.pack("<I", crc32c(body, crc32c(uuid))) + body


def parse_sector(uuid_crc, index, sector):
    """The sector's bits as an integer, bit n for block 4032 * index + n; None
    where it cannot be trusted. uuid_crc is crc32c(uuid)."""
    crc, at = struct.unpack_from("<II", sector)
    if at != index or crc != crc32c(sector[4:], uuid_crc):
        return None
    return int.from_bytes(sector[8:], "little")


class Superblock:
    def __init__(self, uuid, block_sectors, data_sectors):
        self.uuid = uuid
        self.block_sectors = block_sectors
        self.data_sectors = data_sectors
        self.nr_blocks = -(-data_sectors // block_sectors)
        self.nr_sectors = -(-self.nr_blocks // BITS)
        self.bitmap_length = -(-self.nr_sectors * SECTOR // UNIT) * UNIT
        self.length = BITMAP_OFFSET + self.bitmap_length + RECORD_SIZE + UNIT

    def valid_bits(self, index):
        """The bits of that log sector that stand for blocks."""
        return (1 << max(0, min(BITS, self.nr_blocks - index * BITS))) - 1

    def pack(self, version=1, features=0):
        head = SUPER.pack(b"WRITELOG", version, features, self.uuid, self.block_sectors,
                          self.nr_blocks, self.data_sectors, BITMAP_OFFSET, self.bitmap_length)
        head = head.ljust(SECTOR - 4, b"\0")
        return head + struct.pack("<I", crc32c(head))

    @classmethod
    def parse(cls, raw):
        (magic, version, features, uuid, block_sectors, nr_blocks, data_sectors,
         bitmap_offset, bitmap_length) = SUPER.unpack_from(raw)
        if magic != b"WRITELOG" or raw[508:512] != struct.pack("<I", crc32c(raw[:508])):
            raise Damaged("no superblock")
        if version != 1 or features:
            raise Damaged("unknown version %d or features %#x" % (version, features))
        self = cls(uuid, block_sectors, data_sectors)
        if (nr_blocks, bitmap_offset, bitmap_length) != (self.nr_blocks, BITMAP_OFFSET, self.bitmap_length):
            raise Damaged("the superblock contradicts itself")
        return self


def make_log(superblock, marks=()):
    """The whole log as bytes; marks are (first, last) pairs."""
    log = bytearray(superblock.length)
    log[0:SECTOR] = superblock.pack()
    log[-UNIT:-UNIT + SECTOR] = superblock.pack()
    whole = 0
    for first, last in marks:
        whole |= ((1 << (last - first + 1)) - 1) << first
    for index in range(superblock.bitmap_length // SECTOR):
        at = BITMAP_OFFSET + index * SECTOR
        log[at:at + SECTOR] = make_sector(superblock.uuid, index, (whole >> (index * BITS)) & ALL)
    return bytes(log)


def read_log(file, start):
    """(superblock, bits of the whole volume, indices of untrusted sectors)."""
    file.seek(start)
    superblock = Superblock.parse(file.read(SECTOR))
    file.seek(start + BITMAP_OFFSET)
    bitmap = file.read(superblock.bitmap_length)
    uuid_crc = crc32c(superblock.uuid)
    whole, untrusted = 0, []
    for index in range(superblock.nr_sectors):
        bits = parse_sector(uuid_crc, index, bitmap[index * SECTOR:(index + 1) * SECTOR])
        if bits is None or bits & ~superblock.valid_bits(index):
            untrusted.append(index)
            bits = superblock.valid_bits(index)
        whole |= bits << (index * BITS)
    return superblock, whole, untrusted


def parse_ranges(text):
    ranges = []
    for word in text.split():
        if word != "none":
            first, _, last = word.partition("-")
            ranges.append((int(first), int(last or first)))
    return ranges


def format_ranges(bits):
    words, n = [], 0
    while bits:
        zeros = (bits & -bits).bit_length() - 1
        bits >>= zeros
        n += zeros
        ones = (~bits & -~bits).bit_length() - 1
        words.append(str(n) if ones == 1 else "%d-%d" % (n, n + ones - 1))
        bits >>= ones
        n += ones
    return " ".join(words) or "none"


def command_format(args):
    uuid = bytes.fromhex(args.uuid)
    superblock = Superblock(uuid, args.block_sectors, args.data_sectors)
    with open(args.file, "r+b" if os.path.exists(args.file) else "w+b") as file:
        file.seek(args.start)
        file.write(make_log(superblock, parse_ranges(args.mark)))


def command_marks(args):
    with open(args.file, "rb") as file:
        _, bits, untrusted = read_log(file, args.start)
    if untrusted:
        print("untrusted log sectors:", *untrusted, file=sys.stderr)
    print(format_ranges(bits))


def command_covers(args):
    with open(args.file, "rb") as file:
        superblock, bits, untrusted = read_log(file, args.start)
    if untrusted:
        sys.exit("untrusted log sectors: %s" % untrusted)
    size = superblock.block_sectors * SECTOR
    left = superblock.data_sectors * SECTOR
    differ = unmarked = 0
    with open(args.golden, "rb") as golden, open(args.disk, "rb") as disk:
        disk.seek(args.data_start)
        for block in range(superblock.nr_blocks):
            length = min(size, left)
            left -= length
            if golden.read(length) != disk.read(length):
                differ += 1
                unmarked += not bits >> block & 1
    print("%d of %d blocks differ, %d are marked, %d differ unmarked"
          % (differ, superblock.nr_blocks, bits.bit_count(), unmarked))
    sys.exit(1 if unmarked or not differ else 0)


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for name, run in (("format", command_format), ("marks", command_marks), ("covers", command_covers)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("file")
        command.add_argument("--start", type=int, default=0)
        if name == "format":
            command.add_argument("--data-sectors", type=int, required=True)
            command.add_argument("--block-sectors", type=int, default=128)
            command.add_argument("--mark", default="")
            command.add_argument("--uuid", default="00112233445566778899aabbccddeeff")
        if name == "covers":
            command.add_argument("golden")
            command.add_argument("disk")
            command.add_argument("--data-start", type=int, default=0)
    args = parser.parse_args()
    try:
        args.run(args)
    except Damaged as why:
        sys.exit("%s: %s" % (args.file, why))


if __name__ == "__main__":
    main()
