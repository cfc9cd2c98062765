# SPDX-License-Identifier: GPL-2.0-or-later
"""The next version of the desktop: what it takes to get there from the one before, for a disk that holds that."""

import os
import subprocess

from cases import provisioned, take_turns
from lab import CACHE, REGILD, WORK, run, serving
from methods import Casync, Floor, Regild, Rsync
from store import casync_command
from volume import BLOCK, Golden

CASE = "update"


class Next(Golden):
    """Version 2 of the image of another Golden."""

    def __init__(self, before):
        super().__init__("next", CACHE / "next.img")
        self.version = WORK / "store" / before.name / "2"
        self.path = f"{before.name}/next.json"
        run(REGILD, "publish", self.image, "--store", WORK / "store", "--image", before.name, "--version", "2",
            "--channel", "next", stderr=subprocess.DEVNULL)
        os.link(self.image, WORK / "store" / "next.img")


class Difference:
    """What differs in the next version, in the place of a session: it leads back to the one before."""

    def __init__(self, before, next_version, disk):
        self.name, self.before, self.disk = CASE, before, disk
        self.log = disk.log.read_bytes()
        with open(before.image, "rb") as a, open(next_version.image, "rb") as b:
            self.blocks = [block for block in range(before.blocks)
                           if os.pread(a.fileno(), BLOCK, block * BLOCK) != os.pread(b.fileno(), BLOCK, block * BLOCK)]
        self.ranges = [[block, block] for block in self.blocks]
        self.bytes = len(self.blocks) * BLOCK

    def write(self, disk):
        """On every method's disk; the log is that of the one that has one."""
        with open(self.before.image, "rb") as image:
            for block in self.blocks:
                os.pwrite(disk, os.pread(image.fileno(), BLOCK, block * BLOCK), block * BLOCK)
        self.disk.log.write_bytes(self.log)


class Update(Regild):
    marked = False

    def __init__(self, disk):
        super().__init__(disk)
        self.what = "update"


class UpdateCasync(Casync):
    def command(self, server):
        return [str(word).replace("/casync/", "/casync-next/") for word in super().command(server)]


def update(results, golden, rounds):
    with serving("update") as server:
        disk = provisioned("update", golden, server)
        next_version = Next(golden)
        difference = Difference(golden, next_version, disk)
        results.fact(CASE, "dirty bytes", difference.bytes)
        disk.golden = next_version
        folder = WORK / "casync-next"
        folder.mkdir(exist_ok=True)
        run(*casync_command(next_version, folder))
        (WORK / "store" / "casync-next").symlink_to(folder)
        rsync = Rsync("rsync", disk)
        peers = [rsync] if results.quick else [rsync, UpdateCasync("casync", disk)]
        try:
            take_turns(results, CASE, [Update(disk), Floor(disk), *peers], server, difference, rounds)
        finally:
            rsync.close()
        disk.path.unlink()
