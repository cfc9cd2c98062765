# SPDX-License-Identifier: GPL-2.0-or-later
"""Provisioning a blank disk, by regild over http and https and by its peers."""

import re
import subprocess

from cases import flushes, take_turns
from lab import run, serving
from methods import Bmaptool, CurlZstd, Floor, Regild
from volume import Disk


class Blank:
    """What a method finds is a disk of zeros."""

    def prepare(self, session):
        del session
        self.disk.blank()


class Provision(Blank, Regild):
    def __init__(self, name, disk, tls=False):
        super().__init__(disk, name, tls)
        self.what = "provision"


class ProvisionFloor(Blank, Floor):
    def prepare(self, session):
        super().prepare(session)
        self.write_plan(range(self.disk.golden.blocks))


class ProvisionBmaptool(Blank, Bmaptool):
    pass


class ProvisionCurlZstd(Blank, CurlZstd):
    pass


def cipher_speed():
    """Bytes a second that this processor decrypts, by openssl."""
    text = run("openssl", "speed", "-seconds", "1", "-bytes", "16384", "-decrypt", "-evp", "aes-256-gcm",
               stderr=subprocess.DEVNULL)
    return float(re.findall(r"([\d.]+)k$", text.strip(), re.M)[-1]) * 1000


def provision(results, golden, rounds):
    disk = Disk("provision", golden)
    methods = [Provision("regild", disk), Provision("regild, https", disk, tls=True),
               ProvisionFloor(disk), ProvisionCurlZstd("curl zst | zstd | dd", disk, sparse=True),
               ProvisionBmaptool("bmaptool", disk, whole=False)]
    with serving("provision") as server:
        take_turns(results, "provision", methods, server, None, rounds)
        flushes(results, "provision", methods[:1], server, None)
    results.fact("provision", "bytes a second that the cipher takes", cipher_speed())
    disk.path.unlink()
