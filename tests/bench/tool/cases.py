# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured of restoring, one function a case. Methods take turns, round by round."""

import random

from lab import WORK, Link, count_flushes, measure, serving
from methods import Bmaptool, Casync, Curl, CurlZstd, Floor, Regild, Rsync, Zsync
from volume import Disk, Incompressible, Scattered, Session

# Bits a second and milliseconds of the round trip.
LINKS = {"1 Gbit/s, 20 ms": (1e9, 20), "100 Mbit/s, 20 ms": (100e6, 20), "20 Mbit/s, 80 ms": (20e6, 80)}
SESSIONS = ("small", "medium", "large")


def provisioned(name, golden, server):
    disk = Disk(name, golden)
    disk.blank()
    measure(disk.command("provision", f"{server.url}/{golden.path}"))
    disk.check()
    return disk


def take_turns(results, case, methods, place, session, rounds, once=()):
    """In their order, round by round; those of `once` take part in the first round."""
    for turn in range(rounds):
        for method in [*methods, *(once if turn == 0 else ())]:
            method.prepare(session)
            sample = method.run(place, session)
            method.check()
            results.add(case, method.name, sample)


def flushes(results, case, methods, server, session):
    for method in methods:
        method.prepare(session)
        results.flushed(case, method.name, count_flushes(method.command(server), method.stdin()))
        method.check()


def restore(results, golden, rounds):
    """All sessions on loopback. What reads or rewrites the whole disk takes about as long after any session: after the
    others than medium the quicker peers are run once, and the slowest not at all."""
    with serving("restore") as server:
        disk, others = provisioned("regild", golden, server), Disk("others", golden)
        others.become_golden()
        ours = [Regild(disk), Floor(disk), Floor(disk, "raw"), Floor(disk, "hashed")]
        rsync = Rsync("rsync", others)
        peers = [rsync, CurlZstd("curl zst | zstd | dd", others), Curl("curl | dd", others)]
        slow = [Bmaptool("bmaptool", others, whole=True), Casync("casync", others), Zsync("zsync", others)]
        try:
            for name in SESSIONS:
                session, case = Session(name), f"restore {name}"
                if results.quick and name != "medium":
                    continue
                results.fact(case, "dirty bytes", session.bytes)
                if results.quick:
                    take_turns(results, case, ours, server, session, rounds, peers[:2])
                elif name == "medium":
                    take_turns(results, case, ours + peers + slow, server, session, rounds)
                else:
                    take_turns(results, case, ours, server, session, rounds, peers)
                flushes(results, case, ours, server, session)
        finally:
            rsync.close()


def restore_zeroed(results, golden):
    """An image whose journal was zeroed: what counts are the bytes."""
    with serving("zeroed") as server:
        disk = provisioned("zeroed", golden, server)
        for name in SESSIONS:
            take_turns(results, f"restore {name}, journal zeroed", [Regild(disk)], server, Session(name), 1)


def links(results, golden, rounds):
    session = Session("medium")
    with serving("links") as server:
        disk, raw = provisioned("regild", golden, server), None
        if not results.quick:
            raw = provisioned("incompressible", Incompressible(golden, session, random.Random(11)), server)
    scattered = Scattered("scattered", golden, 1000, random.Random(7))
    ours = [Regild(disk), Floor(disk), Regild(disk, "regild, HTTP/2", tls=True)]
    for name, (rate, trip) in LINKS.items():
        with Link(name, rate, trip) as link:
            take_turns(results, f"medium, {name}", ours, link, session, rounds)
            results.fact(f"medium, {name}", "packets dropped", link.bytes()[1])
            if raw:
                take_turns(results, f"raw bytes, {name}", [Regild(raw), Floor(raw, "raw")], link, session, rounds)
            if rate == 1e9:
                take_turns(results, f"scattered, {name}", ours, link, scattered, rounds)


def warm_cache(results, golden, rounds):
    session = Session("medium")
    with serving("cache") as server:
        disk = provisioned("regild", golden, server)
        cache = WORK / "disks" / "cache"
        cache.unlink(missing_ok=True)
        with open(cache, "wb") as file:
            file.truncate(1 << 30)
        method = Regild(disk, more=("--cache", cache))
        method.prepare(session)
        method.run(server, session)
        take_turns(results, "warm cache, medium", [method], server, session, rounds)
        flushes(results, "warm cache, medium", [method], server, session)


def https(results, golden, rounds):
    session = Session("medium")
    with serving("https") as server:
        disk = provisioned("regild", golden, server)
        take_turns(results, "https, medium", [Regild(disk, "http"), Regild(disk, "https", tls=True)], server, session,
                   rounds)
