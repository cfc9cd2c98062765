# SPDX-License-Identifier: GPL-2.0-or-later
"""Golden images, what sessions leave of their disks, and the disks that are restored."""

import json
import os
import shutil

from lab import CACHE, REGILD, WORK, measure, run

BLOCK = 64 << 10
ZEROS = bytes(BLOCK)
MIB = 1 << 20
INDEX_PAGE, PAGE_BLOCKS = 104, 32
# Of one request of the floor: with 16 connections more than the line holds, and no long tail.
FLOOR_REQUEST = 256 << 10


class Golden:
    """A published image: its file, and its version below the server's root."""

    def __init__(self, name, image):
        self.name, self.image = name, image
        self.version = WORK / "store" / name / "1"
        self.path = f"{name}/stable.json"
        self._frames = None

    @property
    def size(self):
        return self.image.stat().st_size

    @property
    def blocks(self):
        return self.size // BLOCK

    def publish_command(self, store, *more):
        return [REGILD, "publish", self.image, "--store", store, "--image", self.name, "--version", "1", "--channel",
                "stable", *more]

    def publish(self, *more):
        shutil.rmtree(WORK / "store" / self.name, ignore_errors=True)
        self._frames = None
        return measure(self.publish_command(WORK / "store", *more))

    def is_zero(self, block):
        with open(self.image, "rb") as image:
            return os.pread(image.fileno(), BLOCK, block * BLOCK) == ZEROS

    def frame(self, block):
        """Where the block's frame is in image.zst: (begin, length)."""
        if self._frames is None:
            self._frames = (self.version / "image.index").read_bytes()
        page, number = divmod(block, PAGE_BLOCKS)
        page = self._frames[INDEX_PAGE * page:INDEX_PAGE * (page + 1)]
        lengths = [int.from_bytes(page[at:at + 3], "little") for at in range(8, INDEX_PAGE, 3)]
        return int.from_bytes(page[:8], "little") + sum(lengths[:number]), lengths[number]

    def plan(self, blocks, compressed):
        """The orders for the floor."""
        orders, pieces, hole = [], [], None
        with open(self.image, "rb") as image:
            for block in blocks:
                at = block * BLOCK
                if os.pread(image.fileno(), BLOCK, at) != ZEROS:
                    pieces.append((*(self.frame(block) if compressed else (at, BLOCK)), at))
                elif hole and sum(hole) == at:
                    hole[1] += BLOCK
                else:
                    hole = [at, BLOCK]
                    orders.append(hole)
        orders = [f"zero {at} {length}" for at, length in orders]
        first = 0
        while first < len(pieces):
            begin, length, _ = pieces[first]
            end, last = begin + length, first + 1
            while last < len(pieces) and pieces[last][0] == end and end + pieces[last][1] - begin <= FLOOR_REQUEST:
                end += pieces[last][1]
                last += 1
            orders.append(f"get {begin} {end - begin}")
            orders += [f"put {length} {at}" for _, length, at in pieces[first:last]]
            first = last
        return "\n".join(orders) + "\n"


class Session:
    """Which blocks a session wrote, and with what."""

    def __init__(self, name):
        self.name, self.folder = name, CACHE / name
        self.dirty = {int(size): ranges for size, ranges in json.loads((self.folder / "dirty").read_text()).items()}
        self.ranges = self.dirty[BLOCK]
        self.blocks = [block for first, last in self.ranges for block in range(first, last + 1)]
        self.bytes = len(self.blocks) * BLOCK

    def write(self, disk):
        with open(self.folder / "written", "rb") as written:
            for first, last in self.ranges:
                for at in range(first * BLOCK, (last + 1) * BLOCK, MIB):
                    os.pwrite(disk, os.pread(written.fileno(), min(MIB, (last + 1) * BLOCK - at), at), at)


class Incompressible(Golden):
    """An image with content that zstd gains nothing on where `golden` has content that a session wrote over, and zeros
    elsewhere: what a store of raw bytes would have to send."""

    def __init__(self, golden, session, random):
        super().__init__("incompressible", WORK / "store" / "incompressible.img")
        with open(self.image, "wb") as image:
            image.truncate(golden.size)
            for block in session.blocks:
                if not golden.is_zero(block):
                    os.pwrite(image.fileno(), random.randbytes(BLOCK), block * BLOCK)
        self.publish()


class Scattered:
    """Single blocks with content far apart."""

    def __init__(self, name, golden, count, random):
        with open(golden.image, "rb") as image:
            used = [block for block in range(golden.blocks) if os.pread(image.fileno(), BLOCK, block * BLOCK) != ZEROS]
        self.name = name
        self.blocks = sorted(random.sample(used, count))
        self.ranges = [[block, block] for block in self.blocks]
        self.bytes = count * BLOCK

    def write(self, disk):
        for block in self.blocks:
            os.pwrite(disk, b"session!" * (BLOCK // 8), block * BLOCK)


class Disk:
    """A file in the place of a disk, and its log."""

    def __init__(self, name, golden):
        self.golden = golden
        self.path, self.log = WORK / "disks" / f"{name}.img", WORK / "disks" / f"{name}.log"
        self.path.parent.mkdir(exist_ok=True)

    def blank(self):
        for path, size in (self.path, self.golden.size), (self.log, 16 * MIB):
            path.unlink(missing_ok=True)
            with open(path, "wb") as file:
                file.truncate(size)

    def become_golden(self):
        """By a copy, for who asks for no log."""
        self.path.unlink(missing_ok=True)
        run("cp", "--sparse=always", self.golden.image, self.path)

    def command(self, what, url, *more):
        return [REGILD, what, "--data", self.path, "--log", self.log, "--source", url, *more]

    def apply(self, session, marked=True):
        """The session happens. What it wrote is not left in the page cache, as after a boot."""
        if marked:
            ranges = [f"{first}-{last}" for first, last in session.ranges]
            run(REGILD, "mark", "--log", self.log, *ranges)
        disk = os.open(self.path, os.O_RDWR)
        session.write(disk)
        os.fsync(disk)
        for first, last in session.ranges:
            os.posix_fadvise(disk, first * BLOCK, (last - first + 1) * BLOCK, os.POSIX_FADV_DONTNEED)
        os.close(disk)

    def undo(self, session):
        """Copies the image's blocks back."""
        with open(self.golden.image, "rb") as image, open(self.path, "r+b") as disk:
            for block in session.blocks:
                os.pwrite(disk.fileno(), os.pread(image.fileno(), BLOCK, block * BLOCK), block * BLOCK)

    def check(self):
        check_golden(self.golden.image, self.path)


def check_golden(image, disk):
    """Ends the bench if they differ. What is a hole in both is not read."""
    ours, theirs = os.open(image, os.O_RDONLY), os.open(disk, os.O_RDONLY)
    size = os.fstat(ours).st_size
    if os.fstat(theirs).st_size < size:
        raise SystemExit(f"bench: {disk} is too short")
    at = 0
    # The same buffers again and again: new ones would take most of the time.
    buffers = bytearray(MIB), bytearray(MIB)
    while at < size:
        at = min(_data(ours, at, size), _data(theirs, at, size)) // MIB * MIB
        length = min(MIB, size - at)
        if length > 0:
            read = [os.preadv(file, [memoryview(buffer)[:length]], at)
                    for file, buffer in zip((ours, theirs), buffers)]
            if read != [length, length] or buffers[0] != buffers[1]:
                raise SystemExit(f"bench: {disk} is not golden: it differs in the MiB at {at}")
        at += MIB
    os.close(ours)
    os.close(theirs)


def _data(file, at, size):
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError:
        return size
