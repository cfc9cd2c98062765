# SPDX-License-Identifier: GPL-2.0-or-later
"""Provisioning a blank disk beside dm-clone, which copies a remote disk to a local one that is used meanwhile; the
remote one is the raw image, which nbdkit's curl plugin fetches. Not every kernel has it: both run in a virtual
machine, each time in a new one."""

import shutil
import statistics

from cases import take_turns
from lab import HERE, Sample, run, serving
from methods import Method
from provision import Blank
from store import part_of
from volume import Disk

BOOT = HERE.parent / "clone" / "boot"
CASE = "provision in a guest"
CLONE = "dm-clone, nbdkit"
USABLE = "seconds until the disk can be used"
# What QEMU's user network calls the host's loopback.
HOST = "10.0.2.2"
ROUNDS = 3


class InGuest(Blank, Method):
    def __init__(self, name, disk, how, path):
        super().__init__(name, disk)
        self.how, self.path, self.usable = how, path, []

    def run(self, place, session):
        del session
        port = place.url.rsplit(":", 1)[1]
        place.counted()
        text = run(BOOT, self.how, f"http://{HOST}:{port}/{self.path}", self.disk.path, self.disk.log)
        figures = {name: float(value) for name, value in map(str.split, text.splitlines())}
        self.usable.append(figures["usable"])
        return Sample(figures["whole"], figures["cpu"], figures["rss"] / 1024, *place.counted(),
                      regild="provision" if self.how == "regild" else "")


def clone(results, golden, rounds):
    """Of an eighth of the image: a guest is slow."""
    sample = part_of(golden, 8)
    sample.publish("--raw")
    disk = Disk("clone", sample)
    methods = [InGuest("regild", disk, "regild", sample.path),
               InGuest(CLONE, disk, "clone", f"{sample.name}/1/image.raw")]
    with serving("clone") as server:
        take_turns(results, CASE, methods, server, None, min(rounds, ROUNDS))
    for method in methods:
        results.fact(CASE, f"{USABLE}, {method.name}", statistics.median(method.usable))
    disk.path.unlink()
    sample.image.unlink()
    shutil.rmtree(sample.version.parent)
