# SPDX-License-Identifier: GPL-2.0-or-later
"""What a boot asks the server for that finds its volume clean and no newer version, with keys."""

import json
import shutil

from cases import take_turns
from lab import REGILD, WORK, measure, run, serving
from methods import Method
from store import part_of
from volume import MIB, Disk

CASE = "boot, nothing new"
# Names of the samples, by what "update" is.
NAMES = {policy: f"regild, update {policy}" for policy in ("boot", "staged")}


class Boot(Method):
    def __init__(self, disk, policy, keys, cache):
        super().__init__(NAMES[policy], disk)
        self.configuration = WORK / f"{policy}.json"
        self.keys = {"data": disk.path, "log": disk.log, "name": "kiosk", "keys": keys, "cache": cache,
                     "update": policy}

    def prepare(self, session):
        del session

    def command(self, server):
        keys = self.keys | {"source": f"{server.url}/{self.disk.golden.path}"}
        self.configuration.write_text(json.dumps(keys, default=str))
        return [REGILD, "boot", "--config", self.configuration, "--no-map", "--report", WORK / "report.json"]


def nothing_new(results, golden, rounds):
    """The volume is of a part of the desktop: it is not read."""
    sample = part_of(golden, 64)
    key, keys, cache = WORK / "release", WORK / "release.pub", WORK / "disks" / "cache"
    for path in key, keys, cache:
        path.unlink(missing_ok=True)
    run(REGILD, "keygen", key)
    sample.publish()
    run(REGILD, "sign", "--key", key, sample.version / "manifest.json", WORK / "store" / sample.path)
    disk = Disk("boot", sample)
    disk.blank()
    with open(cache, "wb") as file:
        file.truncate(64 * MIB)
    methods = [Boot(disk, policy, keys, cache) for policy in NAMES]
    with serving("boot") as server:
        measure(disk.command("provision", f"{server.url}/{sample.path}", "--keys", keys))
        take_turns(results, CASE, methods, server, None, rounds)
    for path in disk.path, sample.image:
        path.unlink()
    shutil.rmtree(sample.version.parent)
