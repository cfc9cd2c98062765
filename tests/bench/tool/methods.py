# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to make a disk golden again: regild, the floor, and what else Debian has for it."""

import re
import subprocess
import time

from lab import LOOPBACK, WORK, free_port, measure
from volume import check_golden


class Method:
    """`disk` is golden but for a session when it begins. `marked`: its log has to know."""
    marked = False

    def __init__(self, name, disk):
        self.name, self.disk = name, disk

    def prepare(self, session):
        self.disk.apply(session, self.marked)

    def stdin(self):
        return None

    def run(self, place, session):
        """A sample; `place` is a server or a link."""
        del session
        return place.measure(self.command(getattr(place, "server", place)), stdin=self.stdin())

    def check(self):
        self.disk.check()


class Regild(Method):
    marked = True

    def __init__(self, disk, name="regild", tls=False, more=()):
        super().__init__(name, disk)
        self.tls, self.more, self.what = tls, more, "restore"

    def command(self, server):
        environment = [f"SSL_CERT_FILE={server.certificate}"] if self.tls else []
        url = server.tls_url if self.tls else server.url
        return ["env", *environment, *self.disk.command(self.what, f"{url}/{self.disk.golden.path}", *self.more)]


class Floor(Method):
    """Fetches exactly the bytes that regild needs, or those of an uncompressed image: raw, or hashed besides."""
    names = {"zstd": "floor", "raw": "floor, raw", "hashed": "floor, raw, hashed"}

    def __init__(self, disk, mode="zstd"):
        super().__init__(self.names[mode], disk)
        self.mode = mode

    def prepare(self, session):
        super().prepare(session)
        self.write_plan(session.blocks)

    def write_plan(self, blocks):
        (WORK / "plan").write_text(self.disk.golden.plan(blocks, self.mode == "zstd"))

    def stdin(self):
        return open(WORK / "plan", "rb")

    def command(self, server):
        golden = self.disk.golden
        path = golden.version.relative_to(WORK / "store") / "image.zst" if self.mode == "zstd" else f"{golden.name}.img"
        return [WORK / "bin" / "floor", f"{server.url}/{path}", self.disk.path, self.mode]


class Curl(Method):
    def command(self, server):
        return ["bash", "-o", "pipefail", "-c", 'curl -sf "$0" | dd of="$1" bs=1M iflag=fullblock '
                "conv=notrunc,fdatasync status=none", f"{server.url}/{self.disk.golden.name}.img", self.disk.path]


class CurlZstd(Method):
    def __init__(self, name, disk, sparse=False):
        super().__init__(name, disk)
        self.sparse = ",sparse" if sparse else ""

    def command(self, server):
        return ["bash", "-o", "pipefail", "-c", 'curl -sf "$0" | zstd -dc | dd of="$1" bs=1M iflag=fullblock '
                f"conv=notrunc,fdatasync{self.sparse} status=none", f"{server.url}/{self.disk.golden.name}.img.zst",
                self.disk.path]


class Bmaptool(Method):
    """`whole`: the map has the image's holes too, or what a session wrote there would stay."""

    def __init__(self, name, disk, whole):
        super().__init__(name, disk)
        self.map = "whole" if whole else "sparse"

    def command(self, server):
        url = f"{server.url}/{self.disk.golden.name}"
        return ["bmaptool", "-q", "copy", "--bmap", f"{url}.{self.map}.bmap", f"{url}.img", self.disk.path]


class Rsync(Method):
    """From a daemon on loopback: the bytes are those that it says it sent and received."""

    def __init__(self, name, disk):
        super().__init__(name, disk)
        port, configuration = free_port(), WORK / "rsyncd.conf"
        configuration.write_text(f"address = {LOOPBACK}\nport = {port}\nuse chroot = no\nuid = 0\ngid = 0\n"
                                 f"[store]\npath = {WORK / 'store'}\nread only = yes\n")
        self.daemon = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={configuration}"])
        self.url = f"rsync://{LOOPBACK}:{port}/store/{disk.golden.name}.img"
        time.sleep(0.5)

    def command(self, server):
        del server
        return ["rsync", "--inplace", "--no-whole-file", "--ignore-times", "--fsync", "--stats", self.url,
                self.disk.path]

    def run(self, place, session):
        sample = measure(self.command(place))
        numbers = re.findall(r"Total bytes (?:sent|received): ([\d,.]+)", sample.output)
        sample.wire = sum(int(re.sub(r"\D", "", number)) for number in numbers)
        return sample

    def close(self):
        self.daemon.terminate()
        self.daemon.wait()


class Copying(Method):
    """Makes a new file from what the disk holds and what is fetched, and leaves the disk as it is."""
    target = WORK / "disks" / "copy.img"

    def prepare(self, session):
        super().prepare(session)
        self.session = session
        self.target.unlink(missing_ok=True)

    def check(self):
        check_golden(self.disk.golden.image, self.target)
        self.target.unlink()
        self.disk.undo(self.session)


class Casync(Copying):
    def command(self, server):
        url = f"{server.url}/casync"
        return ["bash", "-c", 'casync extract --store="$1" --seed="$2" "$0" "$3" && sync "$3"',
                f"{url}/image.caibx", f"{url}/store.castr", self.disk.path, self.target]


class Zsync(Copying):
    def command(self, server):
        url = f"{server.url}/{self.disk.golden.name}.img.zsync"
        return ["bash", "-c", 'zsync -q -i "$1" -o "$2" "$0" && sync "$2"', url, self.disk.path, self.target]
