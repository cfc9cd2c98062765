# SPDX-License-Identifier: GPL-2.0-or-later
"""What the integration tests are made of: images, a store behind nginx, a disk and a log as plain files, and
the regild binary. A test that returns has passed; what fails raises."""

import copy
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

CLEAN, FAILED, USAGE, RESTORED, NETWORK, REFUSED, NOT_GOLDEN, SOURCE, INTERRUPTED = (
    0, 1, 2, 3, 4, 5, 6, 7, 130)

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
INDEX_PAGE = 104  # bytes: where the frames of 32 blocks are
TREE_BLOCK = 4096  # bytes of a hash block: the hashes of 128 blocks
ACCESS_LOG = Path(os.environ["REGILD_NGINX_LOG"])
NGINX = os.environ["REGILD_NGINX_URL"]
REGILD = os.environ["REGILD"]
PEAK = Path(__file__).resolve().with_name("peak.py")


def make_image(path, size, zero=(), seed=1):
    """An image of `size` random bytes, zero in the (begin, end) byte ranges of `zero`, left sparse there."""
    generator = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(size)
        for begin in range(0, size, MIB):
            piece = bytearray(generator.randbytes(min(MIB, size - begin)))
            for first, last in zero:
                low, high = max(first, begin) - begin, min(last, begin + MIB) - begin
                if low < high:
                    piece[low:high] = bytes(high - low)
            if any(piece):
                os.pwrite(file.fileno(), piece, begin)


class Request:
    """One line of nginx's log."""

    def __init__(self, line):
        self.path, bytes_range, status, sent = line.rstrip("\n").split("|")
        self.status, self.sent = int(status), int(sent)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", bytes_range)
        self.range = (int(match[1]), int(match[2]) + 1) if match else None


class Run:
    """A run of regild that has ended."""

    def __init__(self, status, output, peak_rss):
        self.status, self.output, self.peak_rss = status, output, peak_rss


class Process:
    """A running regild; its standard output and error go to one file."""

    def __init__(self, output, arguments, through=()):
        """`through`: a command that runs the one behind it."""
        self._output = output
        with open(output, "wb") as file:
            self._child = subprocess.Popen([*map(str, through), REGILD, *map(str, arguments)], stdout=file,
                                           stderr=file)
        self.pid = self._child.pid

    def kill(self, signal):
        os.kill(self.pid, signal)

    def has_ended(self):
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def said(self):
        """What it has printed so far."""
        return self._output.read_text(errors="replace")

    def wait(self):
        _, status, usage = os.wait4(self.pid, 0)
        status = os.waitstatus_to_exitcode(status)
        self._child.returncode = status
        return Run(status, self.said(), usage.ru_maxrss * KIB)


class MeasuredProcess(Process):
    """Its memory is told by peak.py, which runs it."""

    def __init__(self, output, arguments, peak):
        self._peak = peak
        super().__init__(output, arguments, through=(sys.executable, "-IS", PEAK, peak))

    def wait(self):
        run = super().wait()
        return Run(run.status, run.output, int(self._peak.read_text()) * KIB)


class Lab:
    """One test's folder: an image, its store below nginx's root, a disk and a log."""

    def __init__(self, block_size=64 * KIB, part=None):
        """A test with several stores names its `part`s."""
        self.block_size = block_size
        self.name = Path(sys.argv[0]).name + (f"/{part}" if part else "")
        self.folder = Path(os.environ["REGILD_TEST_FOLDER"])
        self.store = Path(os.environ["REGILD_NGINX_ROOT"]) / self.name
        self.store.parent.mkdir(exist_ok=True)
        self.image = self.folder / "golden.img"
        self.disk = self.folder / "disk"
        self.log = self.folder / "log"
        self._runs = itertools.count(1)
        self._seen = 0

    # The store.

    def publish(self, *options, size=4 * MIB + 3 * 512, zero=(), version=1, seed=1):
        """Makes an image and publishes it as `version`, with the channel stable."""
        make_image(self.image, size, zero, seed)
        self.publish_image(version, *options)

    def publish_image(self, version=1, *options):
        self.regild("publish", self.image, "--store", self.store, "--image", "kiosk", "--version", version,
                    "--block-size", self.block_size, "--channel", "stable", *options)

    def url(self, path="kiosk/stable.json", server=None):
        return f"{server or NGINX}/{self.name}/{path}"

    def manifest(self, version=1):
        return self.store / "kiosk" / str(version) / "manifest.json"

    def frames(self, first, last=None, version=1):
        """Where in image.zst the frames of these blocks are: (begin, end)."""
        def frame(block):
            page_number, number = divmod(block, 32)
            with open(self.manifest(version).parent / "image.index", "rb") as index:
                page = os.pread(index.fileno(), INDEX_PAGE, INDEX_PAGE * page_number)
            lengths = [int.from_bytes(page[at:at + 3], "little") for at in range(8, INDEX_PAGE, 3)]
            begin = int.from_bytes(page[:8], "little") + sum(lengths[:number])
            return begin, begin + lengths[number]

        return frame(first)[0], frame(first if last is None else last)[1]

    def frames_size(self, blocks):
        return sum(end - begin for begin, end in map(self.frames, blocks))

    # The disk and its log.

    def make_disk(self, size=None):
        """A blank disk, as long as the image if nothing else is said, and room for a log."""
        for path, length in (self.disk, size or self.image.stat().st_size), (self.log, 4 * MIB):
            path.unlink(missing_ok=True)
            with open(path, "wb") as file:
                file.truncate(length)

    def kiosks(self, count):
        """So many more machines of the same image, each with a blank disk and a log of its own."""
        kiosks = [copy.copy(self) for _ in range(count)]
        for number, kiosk in enumerate(kiosks):
            kiosk.disk, kiosk.log = self.folder / f"disk-{number}", self.folder / f"log-{number}"
            kiosk.make_disk()
        return kiosks

    def provision(self, server=None, expect=CLEAN):
        return self.on_volume("provision", server, expect)

    def restore(self, server=None, expect=CLEAN):
        return self.on_volume("restore", server, expect)

    def verify(self, server=None, expect=CLEAN):
        return self.on_volume("verify", server, expect)

    def at_once(self, kiosks, command, server=None, source=None):
        """`command` on all of them at the same time."""
        running = [kiosk.start(*kiosk.volume_arguments(command, server, source)) for kiosk in kiosks]
        for run in [process.wait() for process in running]:
            assert run.status == CLEAN, run.output

    def on_volume(self, command, server=None, expect=CLEAN, source=None):
        return self.regild(*self.volume_arguments(command, server, source), expect=expect)

    def volume_arguments(self, command, server=None, source=None):
        return [command, "--data", self.disk, "--log", self.log, "--source", source or self.url(server=server)]

    def provisioned(self, **arguments):
        """A published image and a disk that holds it."""
        self.publish(**arguments)
        self.make_disk()
        self.provision(expect=CLEAN)
        self.check_golden()
        return self

    def session(self, *blocks):
        """Writes to these blocks as a user would: marked first."""
        self.regild("mark", "--log", self.log, *blocks)
        for block in blocks:
            self.scribble(block)

    def scribble(self, block):
        begin = block * self.block_size
        with open(self.disk, "r+b") as file:
            file.seek(begin)
            file.write(b"session!" * (min(self.block_size, self.image.stat().st_size - begin) // 8))

    def killed_everywhere(self, run, ends=(CLEAN,), calls=("pwrite64", "fdatasync", "fsync")):
        """Calls run(command), which puts the devices as they are to be found, starts regild through the command and
        returns its exit code, until each of its system calls that change something was one to be killed at. Yields the
        place when it was killed there."""
        # strace counts the calls of each thread by itself, so that those of one device are others than those of all.
        for call, device in itertools.product(calls, (None, self.disk, self.log)):
            paths = ("-P", str(device)) if device else ()
            for number in itertools.count(1):
                status = run(["strace", "-f", "-qq", "-e", f"trace={call}", "-e",
                              f"inject={call}:signal=KILL:when={number}", *paths, "-o", str(self.folder / "strace")])
                place = f"killed at {call} {number}" + (f" of {device.name}" if device else "")
                if status in ends:
                    break
                assert status == -signal.SIGKILL, f"{place}: exit code {status}"
                yield place

    # What is asserted.

    def status(self):
        return json.loads(self.regild("status", "--log", self.log, "--json").output)

    def state(self):
        return self.status()["record"]["state"]

    def marked(self):
        """The marked blocks as a set."""
        ranges = json.loads(self.regild("dirty", "--log", self.log, "--json").output)["ranges"]
        return {block for first, last in ranges for block in range(first, last + 1)}

    def wrong_blocks(self):
        """The blocks of the disk that differ from the image."""
        wrong = set()
        with open(self.image, "rb") as image, open(self.disk, "rb") as disk:
            block = 0
            while golden := image.read(self.block_size):
                if disk.read(self.block_size)[:len(golden)] != golden:
                    wrong.add(block)
                block += 1
        return wrong

    def check_golden(self):
        assert self.wrong_blocks() == set(), f"the disk differs from the image: {self.wrong_blocks()}"
        assert self.marked() == set(), "blocks are still marked"
        assert self.state() == "golden", self.state()

    def check_resumable(self):
        """Interrupted anywhere: what differs is marked, and a mixture does not say golden."""
        unmarked = self.wrong_blocks() - self.marked()
        assert not unmarked, f"these blocks differ and are not marked: {unmarked}"

    def check_refused_untouched(self, run, *words):
        """`run` said these words; disk and marks are as `remember` found them."""
        for word in words:
            assert word in run.output, f"'{word}' is not in the message"
        assert (self.disk.read_bytes(), self.marked(), self.state()) == self._remembered, "it wrote something"

    def remember(self):
        self._remembered = self.disk.read_bytes(), self.marked(), self.state()

    # nginx's log.

    def requests(self):
        """This test's requests since the last call. nginx is one process: what it answered before this
        last request is logged by now."""
        urllib.request.urlopen(f"{NGINX}/sentinel").read()
        lines = [line for line in ACCESS_LOG.read_text().splitlines() if line.startswith(f"/{self.name}/")]
        fresh, self._seen = lines[self._seen:], len(lines)
        return [Request(line) for line in fresh]

    def data_requests(self):
        return [request for request in self.requests() if request.path.endswith("/image.zst")]

    # regild.

    def start(self, *arguments):
        return Process(self.folder / f"run-{next(self._runs)}", arguments)

    def start_measured(self, *arguments):
        """As start(), and the run's peak_rss is that of regild however large this process is."""
        number = next(self._runs)
        return MeasuredProcess(self.folder / f"run-{number}", arguments, self.folder / f"peak-{number}")

    def regild(self, *arguments, expect=CLEAN, start=None):
        print("$ regild", *arguments, flush=True)
        run = (start or self.start)(*arguments).wait()
        print(run.output, flush=True)
        assert run.status == expect, f"exit code {run.status} where {expect} was expected"
        return run
