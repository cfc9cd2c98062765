# SPDX-License-Identifier: GPL-2.0-or-later
"""How a restore's cost grows with the image and with what is dirty. The disks lie in memory where there is room, so
that the tool is measured and not the disk."""

import os
import random
import shutil
import tempfile
from pathlib import Path

from lab import REGILD, WORK, measure, serving
from sparse import CONTENT, SparseImage, set_marks

GIB, TIB = 1 << 30, 1 << 40
# The largest file of ext4 with blocks of 4 KiB is a little less than 16 TiB.
SIZES = {"64 GiB": 64 * GIB, "1 TiB": TIB, "16 TiB": 16 * TIB - (64 << 10)}
COUNTS = {"1 k": 1000, "10 k": 10_000, "100 k": 100_000, "1 M": 1_000_000}
ROOM = 10 * GIB
# Blocks one after the other, as a session leaves them: 3 MiB. The sessions of the desktop leave 1.4, 3.1 and 3.5.
SESSION_RUN = 50


def image(name, size, block_size, count, run=1):
    """With `count` blocks that are not zero, scattered in runs of so many."""
    runs = random.Random(count).sample(range(size // block_size // run), count // run)
    return SparseImage(name, size, block_size, [first * run + i for first in runs for i in range(run)])


class SparseDisk:
    def __init__(self, folder, image):
        self.image, self.path, self.log = image, folder / "disk", folder / "log"

    def make(self, url):
        """Golden, with a log that says so."""
        for path, size in (self.path, self.image.size), (self.log, 1 << 20):
            path.unlink(missing_ok=True)
            with open(path, "wb") as file:
                file.truncate(size)
        # In the log a byte tells of eight blocks at the most, in sectors of which 504 bytes do.
        os.truncate(self.log, (1 << 20) + self.image.size // self.image.block_size // 7)
        measure(self.command("format", url))
        set_marks(self.log, self.image.blocks, all_are_marked=True)
        measure(self.command("restore", url))
        self.check()

    def command(self, what, url):
        return [REGILD, what, "--data", self.path, "--log", self.log, "--source", f"{url}/{self.image.path}"]

    def session(self):
        with open(self.path, "r+b") as disk:
            for block in self.image.blocks:
                os.pwrite(disk.fileno(), b"session!", block * self.image.block_size)
            os.fsync(disk.fileno())
        set_marks(self.log, self.image.blocks)

    def check(self):
        with open(self.path, "rb") as disk:
            for block, content in self.image.content():
                if os.pread(disk.fileno(), CONTENT, block * self.image.block_size) != content:
                    raise SystemExit(f"bench: block {block} of {self.image.name} is not golden")


def work_grows(results, rounds):
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="regild-bench-", dir=memory if in_memory else WORK))
    results.fact("scale", "disks lie", "in memory" if in_memory else "on disk")
    try:
        with serving("scale") as server:
            for name, size in SIZES.items():
                measure_one(results, f"1000 blocks of 64 KiB, {name}", folder,
                            image("size", size, 64 << 10, 1000, SESSION_RUN), server, rounds)
                # Each needs its own part of tree and index: what there is to fetch grows with the image.
                measure_one(results, f"1000 single blocks of 64 KiB, {name}", folder,
                            image("size", size, 64 << 10, 1000), server, min(rounds, 2))
            for name, count in COUNTS.items():
                if not (results.quick and count > 10_000):
                    measure_one(results, f"{name} blocks of 4 KiB, 64 GiB", folder,
                                image("count", 64 * GIB, 4096, count), server, rounds if count <= 10_000 else 1)
    finally:
        shutil.rmtree(folder)


def measure_one(results, case, folder, image_, server, rounds):
    disk = SparseDisk(folder, image_)
    disk.make(server.url)
    for _ in range(rounds):
        disk.session()
        results.add(case, "reading the marks", measure([REGILD, "status", "--log", disk.log]))
        results.add(case, "regild", server.measure(disk.command("restore", server.url)))
        disk.check()
    disk.path.unlink()
    shutil.rmtree(image_.folder.parent)
