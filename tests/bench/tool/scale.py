# SPDX-License-Identifier: GPL-2.0-or-later
"""How a restore's cost grows with the image and with what is dirty. The disks lie in memory where there is room, so
that the tool is measured and not the disk."""

import os
import random
import shutil
import tempfile
from pathlib import Path

from lab import REGILD, WORK, count_flushes, measure, serving
from sparse import CONTENT, SparseImage, set_marks

GIB, TIB = 1 << 30, 1 << 40
# The largest file of ext4 with blocks of 4 KiB is a little less than 16 TiB.
SIZES = {"64 GiB": 64 * GIB, "1 TiB": TIB, "16 TiB": 16 * TIB - (64 << 10)}
IN_RUNS, SINGLE = "1000 blocks of 64 KiB", "1000 single blocks of 64 KiB"
COUNTS = {f"{name} blocks of 4 KiB, 64 GiB": count
          for name, count in (("1 k", 1000), ("10 k", 10_000), ("100 k", 100_000), ("1 M", 1_000_000))}
ONE = "1 block of 4 KiB, 64 GiB"
# More than these are not for the quick bench, and flush anew each 65536 runs of blocks.
MANY = 10_000
# What regild status does.
MARKS = "reading the marks"
ROOM = 10 * GIB
# Blocks one after the other, as a session leaves them: 3 MiB. The sessions of the desktop leave 1.4, 3.1 and 3.5.
SESSION_RUN = 50


def image(name, size, block_size, count, run=1):
    """With `count` blocks that are not zero, scattered in runs of so many."""
    runs = random.Random(count).sample(range(size // block_size // run), count // run)
    return SparseImage(name, size, block_size, [first * run + i for first in runs for i in range(run)])


class SparseDisk:
    def __init__(self, folder, image):
        self.image, self.path, self.log = image, folder / f"{image.name}.disk", folder / f"{image.name}.log"

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


def cases_of(quick, folder):
    """{case: its disk}. Of 1000 blocks of an image that grows, and of blocks that grow in number."""
    disks = {}
    for name, size in SIZES.items():
        disks[f"{IN_RUNS}, {name}"] = SparseDisk(folder, image(f"runs-{size}", size, 64 << 10, 1000, SESSION_RUN))
        # Each needs its own part of tree and index: what there is to fetch grows with the image.
        disks[f"{SINGLE}, {name}"] = SparseDisk(folder, image(f"single-{size}", size, 64 << 10, 1000))
    for case, count in {ONE: 1, **COUNTS}.items():
        if count <= MANY or not quick:
            disks[case] = SparseDisk(folder, image(f"count-{count}", 64 * GIB, 4096, count))
    return disks


def work_grows(results, rounds):
    memory = Path("/dev/shm")
    in_memory = memory.is_dir() and shutil.disk_usage(memory).free > ROOM
    folder = Path(tempfile.mkdtemp(prefix="regild-bench-", dir=memory if in_memory else WORK))
    results.fact("scale", "disks lie", "in memory" if in_memory else "on disk")
    try:
        disks = cases_of(results.quick, folder)
        with serving("scale") as server:
            for disk in disks.values():
                disk.make(server.url)
            for _ in range(rounds):
                for case, disk in disks.items():
                    measure_one(results, case, disk, server)
            for case, disk in disks.items():
                if len(disk.image.blocks) <= MANY:
                    disk.session()
                    results.flushed(case, "regild", count_flushes(disk.command("restore", server.url)))
                    disk.check()
    finally:
        shutil.rmtree(folder)
    for disk in disks.values():
        shutil.rmtree(disk.image.folder.parent)


def measure_one(results, case, disk, server):
    disk.session()
    results.add(case, MARKS, measure([REGILD, "status", "--log", disk.log]))
    results.add(case, "regild", server.measure(disk.command("restore", server.url)))
    disk.check()
