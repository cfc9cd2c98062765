# SPDX-License-Identifier: GPL-2.0-or-later
"""What regild's volume may lie on, and how often each is flushed: a file, a block device, a file that is all hole."""

import os
import random
import shutil
import stat
from pathlib import Path

from cases import flushes, take_turns
from lab import run, serving
from methods import Regild
from provision import Provision
from scale import TIB, SparseDisk, image
from store import part_of
from volume import MIB, Disk, Scattered


class LoopDisk(Disk):
    """A partition of a loop device, past the page cache."""

    def __init__(self, name, golden):
        super().__init__(name, golden)
        self.file, self._device = self.path, None

    def blank(self):
        self.detach()
        self.path = self.file
        super().blank()
        with open(self.file, "r+b") as file:
            file.truncate(self.golden.size + 2 * MIB)
        run("sfdisk", "--quiet", self.file, input="label: gpt\nstart=1MiB, size={}\n".format(self.golden.size // 512))
        self._device = run("losetup", "--find", "--show", "--direct-io=on", self.file).strip()
        # Not every kernel reads partition tables.
        run("partx", "--add", self._device)
        # Without udev nobody makes its node in /dev.
        number = Path(f"/sys/class/block/{Path(self._device).name}p1/dev").read_text().split(":")
        self.path = self.file.with_suffix(".node")
        os.mknod(self.path, 0o600 | stat.S_IFBLK, os.makedev(*map(int, number)))

    def detach(self):
        if self._device:
            run("partx", "--delete", self._device)
            run("losetup", "--detach", self._device)
            self._device = None
            self.path.unlink()

    def check(self):
        run("cmp", f"--ignore-initial=0:{MIB}", f"--bytes={self.golden.size}", self.golden.image, self.file)


class Holes(SparseDisk):
    """A blank file of the image's size."""

    def blank(self):
        for path, size in (self.path, self.image.size), (self.log, 16 << 20):
            path.unlink(missing_ok=True)
            with open(path, "wb") as file:
                file.truncate(size)

    @property
    def golden(self):
        return self.image

    def command(self, what, url, *more):
        return super().command(what, url.removesuffix(f"/{self.image.path}")) + list(more)


def devices(results, golden, rounds):
    """Of a sixteenth of the desktop, and of 1 TiB in which 50 blocks are not zero."""
    sample = part_of(golden, 16)
    sample.publish()
    file, device = Disk("file", sample), LoopDisk("device", sample)
    session = Scattered("scattered", sample, 1000, random.Random(13))
    try:
        with serving("devices") as server:
            for case, methods in (
                    ("provision, file and block device", [Provision("file", file), Provision("block device", device)]),
                    ("restore, file and block device", [Regild(file, "file"), Regild(device, "block device")])):
                take_turns(results, case, methods, server, session, min(rounds, 2))
                flushes(results, case, methods, server, session)
            holes = Holes(file.path.parent, image("holes", TIB, 64 << 10, 50, 50))
            methods = [Provision("file", holes)]
            take_turns(results, "provision, 1 TiB of holes", methods, server, None, min(rounds, 2))
            flushes(results, "provision, 1 TiB of holes", methods, server, None)
            holes.path.unlink()
            shutil.rmtree(holes.image.folder.parent)
    finally:
        device.detach()
    for path in file.path, device.file, sample.image:
        path.unlink()
    shutil.rmtree(sample.version.parent)
