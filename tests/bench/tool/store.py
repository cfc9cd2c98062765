# SPDX-License-Identifier: GPL-2.0-or-later
"""What the server of the bench serves: the desktop as regild and as the peers publish it, and how long that takes."""

import os
import shutil
import subprocess

from lab import CACHE, HERE, REGILD, TOP, WORK, measure, run
from volume import BLOCK, MIB, Golden, Session

PEERS = CACHE / "peers"
BINARIES = WORK / "bin"
LEVELS = [1, 3, 9, 14, 19]
# zstd's own default.
PEERS_LEVEL = 3


def programs():
    """Those that are the bench's own."""
    BINARIES.mkdir(parents=True, exist_ok=True)
    for name, libraries in ("floor", ["-lcurl", "-lcrypto", "-lzstd"]), ("link", []), ("meter", []):
        run("g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-o", BINARIES / name, HERE / f"{name}.cpp",
            *libraries)


def desktop():
    """The image and its sessions; they are made once."""
    subprocess.run([TOP / "tests" / "bench" / "desktop" / "image", CACHE], check=True)
    return Golden("golden", CACHE / "golden.img"), Golden("zeroed", CACHE / "zeroed.img")


def zstd_command(golden, level, target):
    return ["zstd", "-q", "-f", "-T0", f"-{level}", golden.image, "-o", target]


def verity_command(golden, target):
    return ["veritysetup", "format", "--data-block-size=65536", "--hash-block-size=4096", golden.image, target]


def bmap_command(image, target):
    return ["bmaptool", "create", "-o", target, image]


def casync_command(golden, folder):
    return ["casync", "make", f"--store={folder}/store.castr", f"{folder}/image.caibx", golden.image]


def peers(golden, folder=PEERS):
    """What the peers fetch; made once for an image."""
    folder.mkdir(parents=True, exist_ok=True)
    image = os.stat(golden.image)
    key = f"{image.st_size} {image.st_mtime_ns}"
    done = folder / "done"
    if not done.exists() or done.read_text() != key:
        shutil.rmtree(folder)
        folder.mkdir()
        name = golden.name
        measure(zstd_command(golden, PEERS_LEVEL, folder / f"{name}.img.zst"))
        measure(bmap_command(golden.image, folder / f"{name}.sparse.bmap"))
        run("cp", "--sparse=never", golden.image, folder / "whole.img")
        measure(bmap_command(folder / "whole.img", folder / f"{name}.whole.bmap"))
        (folder / "whole.img").unlink()
        (folder / "casync").mkdir()
        measure(casync_command(golden, folder / "casync"))
        measure(["zsyncmake", "-u", f"{name}.img", "-o", folder / f"{name}.img.zsync", golden.image])
        done.write_text(key)


def fill(golden, peers_folder=PEERS):
    """The server's root."""
    store = WORK / "store"
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    for path in peers_folder.iterdir():
        if path.is_dir():
            (store / path.name).symlink_to(path)
        else:
            # rsync's daemon follows no symbolic link.
            os.link(path, store / path.name)
    os.link(golden.image, store / f"{golden.name}.img")
    golden.publish()


def publish(results, golden, rounds):
    """Against what gives the same: a compressed image, a hash tree, a block map. Of a sixteenth of the image, which tells
    what a MiB costs."""
    level = default_level()
    folder = WORK / "publish"
    golden = part_of(golden, 16)
    for _ in range(rounds):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        results.add("publish", "regild", measure(golden.publish_command(folder / "store")))
        results.add("publish", "zstd -T0", measure(zstd_command(golden, level, folder / "zst")))
        results.add("publish", "veritysetup", measure(verity_command(golden, folder / "verity")))
        results.add("publish", "bmaptool create", measure(bmap_command(golden.image, folder / "bmap")))
        results.add("publish", "casync make", measure(casync_command(golden, folder)))
    shutil.rmtree(folder)
    golden.image.unlink()


def part_of(golden, step):
    """Each `step`th MiB of the image, as an image."""
    return sample_of(golden, [(at, MIB) for at in range(0, golden.size, step * MIB)])


def sample_of(golden, places):
    sample = Golden("sample", WORK / "sample.img")
    with open(golden.image, "rb") as image, open(sample.image, "wb") as file:
        for at, length in places:
            file.write(os.pread(image.fileno(), length, at))
    return sample


def levels(results, golden):
    """What a level costs a publisher, of each eighth MiB of the image, and what a medium session has to fetch: the
    frames of its blocks. The MB are those of the frames."""
    needed = [(block * BLOCK, BLOCK) for block in Session("medium").blocks if not golden.is_zero(block)]
    parts = {"an eighth of the image": lambda: part_of(golden, 8),
             "blocks of a medium session": lambda: sample_of(golden, needed)}
    for part, make in parts.items():
        sample = make()
        for level in LEVELS:
            cost = sample.publish("--zstd-level", str(level))
            cost.wire = (sample.version / "image.zst").stat().st_size
            results.add(f"levels, {part}", f"level {level}", cost)
        sample.image.unlink()
        shutil.rmtree(sample.version.parent)


def default_level():
    """That of --zstd-level."""
    text = run(REGILD, "publish", "--help")
    return int(text.split("--zstd-level", 1)[1].split("(default ", 1)[1].split(")")[0])
