# SPDX-License-Identifier: GPL-2.0-or-later
"""Stores of images of any size, of which few blocks are not zero: of their files only what leads to these blocks is
written, by FORMAT.md and without regild, so that 16 TiB take seconds. And the marks of their logs."""

import hashlib
import json
import os
import random
import struct
import sys

from lab import TOP, WORK

sys.path.insert(0, str(TOP / "tests" / "kit"))
import writelog  # noqa: E402

HASH_BLOCK, FANOUT, DIGEST = 4096, 128, 32
INDEX_PAGE, PAGE_BLOCKS = 104, 32
CONTENT = 512  # of a block, the rest is zero
SALT = bytes(range(32))


def frame(content, block_size):
    """A zstd frame that holds the content as it is, and the zeros behind it as a run."""
    header = struct.pack("<IBI", 0xFD2FB528, 0xA0, block_size)
    return (header + (len(content) << 3).to_bytes(3, "little") + content
            + ((block_size - len(content)) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0")


def digest(block):
    return hashlib.sha256(SALT + block).digest()


class SparseImage:
    def __init__(self, name, size, block_size, blocks):
        self.name, self.size, self.block_size, self.blocks = name, size, block_size, sorted(blocks)
        self.path = f"{name}/stable.json"
        self.folder = WORK / "store" / name / "1"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write()

    def content(self):
        """(block, its first bytes), the same each time."""
        generator = random.Random(self.size + len(self.blocks))
        for block in self.blocks:
            yield block, generator.randbytes(CONTENT)

    def _write(self):
        digests, pages, at = {}, {}, 0
        tail = bytes(self.block_size - CONTENT)
        with open(self.folder / "image.zst", "wb") as data:
            for block, content in self.content():
                digests[block] = digest(content + tail)
                piece = frame(content, self.block_size)
                data.write(piece)
                page, number = divmod(block, PAGE_BLOCKS)
                pages.setdefault(page, (at, []))[1].append((number, len(piece)))
                at += len(piece)
        count = -(-self.size // self.block_size)
        with open(self.folder / "image.index", "wb") as index:
            index.truncate(-(-count // PAGE_BLOCKS) * INDEX_PAGE)
            for page, (begin, lengths) in pages.items():
                whole = bytearray(struct.pack("<Q", begin).ljust(INDEX_PAGE, b"\0"))
                for number, length in lengths:
                    whole[8 + 3 * number:11 + 3 * number] = length.to_bytes(3, "little")
                os.pwrite(index.fileno(), whole, page * INDEX_PAGE)
        root = self._tree(count, digests)
        manifest = {"type": "regild-manifest", "format": 1, "image": self.name, "version": 1, "size": self.size,
                    "block_size": self.block_size,
                    "data": {"file": "image.zst", "index": "image.index", "compression": "zstd"},
                    "tree": {"file": "image.verity", "algorithm": "sha256", "hash_block_size": HASH_BLOCK,
                             "salt": SALT.hex(), "uuid": "4c0e1f6a-9d43-4d5b-8a57-1d2b6e5f7a90",
                             "root_hash": root.hex()}}
        (self.folder / "manifest.json").write_text(json.dumps(manifest))
        channel = {"type": "regild-channel", "format": 1, "image": self.name, "channel": "stable", "serial": 1,
                   "issued": "2026-01-01T00:00:00Z", "version": 1}
        (self.folder.parent / "stable.json").write_text(json.dumps(channel))

    def _tree(self, count, digests):
        """Writes the hash blocks above the blocks of `digests`, and those at each level's end. The root hash."""
        sizes = [count]
        while sizes[-1] > 1:
            sizes.append(-(-sizes[-1] // FANOUT))
        begins, at = {}, HASH_BLOCK
        for level in range(len(sizes) - 1, 0, -1):
            begins[level] = at
            at += sizes[level] * HASH_BLOCK
        zero = digest(bytes(self.block_size))
        with open(self.folder / "image.verity", "wb") as tree:
            tree.truncate(at)
            for level in range(1, len(sizes)):
                touched = {}
                for number, value in digests.items():
                    touched.setdefault(number // FANOUT, []).append((number % FANOUT, value))
                touched.setdefault(sizes[level] - 1, [])
                above = {}
                for number, values in touched.items():
                    there = min(FANOUT, sizes[level - 1] - number * FANOUT)
                    block = bytearray((zero * there).ljust(HASH_BLOCK, b"\0"))
                    for place, value in values:
                        block[place * DIGEST:(place + 1) * DIGEST] = value
                    os.pwrite(tree.fileno(), block, begins[level] + number * HASH_BLOCK)
                    above[number] = digest(block)
                zero, digests = digest(zero * FANOUT), above
        return digests[0]


def set_marks(log, blocks, all_are_marked=False):
    """Marks these blocks in the log, a file that nobody uses meanwhile. Where all are marked, only these stay so;
    otherwise no other may be marked."""
    with open(log, "r+b") as file:
        superblock = writelog.Superblock.parse(file.read(writelog.SECTOR))
        wanted = dict.fromkeys(range(superblock.nr_sectors), 0) if all_are_marked else {}
        for block in blocks:
            index, bit = divmod(block, writelog.BITS)
            wanted[index] = wanted.get(index, 0) | 1 << bit
        for index, bits in wanted.items():
            file.seek(writelog.BITMAP_OFFSET + index * writelog.SECTOR)
            file.write(writelog.make_sector(superblock.uuid, index, bits))
