# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures must reach. A bar whose case was not run is left out."""

import statistics
from dataclasses import dataclass
from itertools import pairwise

from boot import CASE as BOOT_CASE, NAMES as BOOT_NAMES
from cases import LINKS
from clone import CASE as CLONE_CASE, CLONE, USABLE
from scale import COUNTS, IN_RUNS, MARKS, ONE, SINGLE, SIZES

PEERS = ["curl | dd", "curl zst | zstd | dd", "bmaptool", "rsync", "casync", "zsync"]

RESTORE_OF_BEST_PEER = 25
RESTORE_OF_FLOOR = 1.5
# Of processor time, against what a restore takes at the least that fetches raw bytes and hashes them.
RESTORE_CPU = 1.3
RESTORE_BYTES = 7.0e6
RESTORE_BYTES_ZEROED = 2.2e6
LINK_SECONDS = {"100 Mbit/s, 20 ms": 1.1, "20 Mbit/s, 80 ms": 4.0}
LINK_OF_FLOOR = 1.05
SCATTERED_SECONDS = 0.8
SCATTERED_INDEX = 3  # percent of the bytes
CACHE_SECONDS = 1.0
HTTPS_CPU = 1.3
# Requests and KB of HTTP of a boot that finds nothing new, by what "update" is.
NOTHING_NEW = {"boot": (1, 2), "staged": (0, 0)}
PROVISION_BYTES = 1.04
UPDATE_BYTES = 41e6
UPDATE_OF_CASYNC = 1.025
UPDATE_SECONDS = 0.6
PUBLISH_OF_ZSTD = 1.0
RESIDENT = 64.0
# A restore flushes for the record that says that it runs, for the data, for the marks that it clears, and for the
# record that says golden; every 10 seconds or 65536 ranges for data and marks once more. Provisioning formats before.
FLUSHES = {"restore": 8, "provision": 16}
# Of a block, or of as many blocks of a larger image.
GROWTH = 1.25


@dataclass
class Bar:
    what: str
    got: str
    allowed: str
    met: bool | None


def most(what, got, limit, unit):
    return Bar(what, f"{got:.3g} {unit}", f"at most {limit:.3g} {unit}", got <= limit)


def known(what, got, why):
    """No bar, and told beside them."""
    return Bar(what, got, why, None)


def bars(results):
    for check in (restore, restored_bytes, links, scattered, warm_cache, https, nothing_new, update, provision, clone,
                  publish, scale, flushes, memory):
        yield from check(results)


def restore(results):
    # Ratios of each round: other load on the machine hits both.
    case = "restore medium"
    peers = [peer for peer in PEERS if results.has(case, peer)]
    if peers and results.has(case, "regild"):
        factor, best = min((results.ratio(case, peer, "regild"), peer) for peer in peers)
        yield Bar(f"restore, medium on loopback, times as fast as the best peer ({best})", f"{factor:.3g}",
                  f"at least {RESTORE_OF_BEST_PEER}", factor >= RESTORE_OF_BEST_PEER)
    if results.has(case, "floor, raw"):
        yield most("restore, medium on loopback, against the floor of raw bytes",
                   results.ratio(case, "regild", "floor, raw"), RESTORE_OF_FLOOR, "×")
        yield most("restore, medium on loopback, against the floor of the same bytes",
                   results.ratio(case, "regild", "floor"), RESTORE_OF_FLOOR, "×")
    if results.has(case, "floor, raw, hashed"):
        yield most("restore, medium on loopback, CPU against the floor that hashes raw bytes",
                   results.ratio(case, "regild", "floor, raw, hashed", "cpu"), RESTORE_CPU, "×")


def restored_bytes(results):
    for case, limit in ("restore medium", RESTORE_BYTES), ("restore medium, journal zeroed", RESTORE_BYTES_ZEROED):
        if results.has(case, "regild"):
            yield most(f"{case}, bytes of HTTP", results.median(case, "regild", "wire") / 1e6, limit / 1e6, "MB")


def links(results):
    for name, (rate, _) in LINKS.items():
        case = f"medium, {name}"
        if not results.has(case, "regild"):
            continue
        seconds = results.median(case, "regild")
        if name in LINK_SECONDS:
            yield most(f"restore, {case}", seconds, LINK_SECONDS[name], "s")
        raw = f"raw bytes, {name}"
        if results.has(raw, "regild"):
            yield most(f"restore, {raw}, against the floor", results.ratio(raw, "regild", "floor, raw"),
                       LINK_OF_FLOOR, "×")
        fastest = fastest_peer(results, rate)
        if fastest:
            yield most(f"restore, {case}, against what {fastest[1]} takes at the least", seconds / fastest[0], 1, "×")


def fastest_peer(results, rate):
    """(seconds, name): no peer takes less on a line than on loopback, nor than its bytes take."""
    case = "restore medium"
    peers = [peer for peer in PEERS if results.has(case, peer)]
    return min(((max(min(results.values(case, peer)), results.median(case, peer, "wire") * 8 / rate), peer)
                for peer in peers), default=None)


def scattered(results):
    case = "scattered, 1 Gbit/s, 20 ms"
    for method, how in ("regild", ""), ("regild, HTTP/2", ", over HTTP/2"):
        if results.has(case, method):
            yield most(f"restore, 1000 blocks scattered, 1 Gbit/s, 20 ms{how}", results.median(case, method),
                       SCATTERED_SECONDS, "s")
            yield most(f"restore, 1000 blocks scattered{how}, the index's share of the bytes of HTTP",
                       100 * results.median(case, method, "index"), SCATTERED_INDEX, "%")


def warm_cache(results):
    case = "warm cache, medium"
    if results.has(case, "regild"):
        wire = max(results.values(case, "regild", "wire"))
        yield most("restore, medium from a warm cache, bytes from the network", wire, 0, "bytes")
        yield most("restore, medium from a warm cache", results.median(case, "regild"), CACHE_SECONDS, "s")


def https(results):
    """CPU over https, less what the cipher alone takes."""
    for case, plain, secure in ("https, medium", "http", "https"), ("provision", "regild", "regild, https"):
        if results.has(case, secure) and ("provision", "bytes a second that the cipher takes") in results.facts:
            speed = results.facts["provision", "bytes a second that the cipher takes"]
            cipher = results.median(case, secure, "wire") / speed
            cpu = results.median(case, secure, "cpu") - cipher
            yield most(f"{case.removeprefix('https, ')}, CPU of https less the cipher's, against http",
                       cpu / results.median(case, plain, "cpu"), HTTPS_CPU, "×")


def nothing_new(results):
    for policy, (requests, kilobytes) in NOTHING_NEW.items():
        name = BOOT_NAMES[policy]
        if results.has(BOOT_CASE, name):
            what = f"{BOOT_CASE}, \"update\" is \"{policy}\""
            yield most(f"{what}, requests", max(results.values(BOOT_CASE, name, "requests")), requests, "requests")
            yield most(f"{what}, bytes of HTTP", max(results.values(BOOT_CASE, name, "wire")) / 1e3, kilobytes, "KB")


def update(results):
    if results.has("update", "regild"):
        yield most("update to the next version, bytes of HTTP", results.median("update", "regild", "wire") / 1e6,
                   UPDATE_BYTES / 1e6, "MB")
        if results.has("update", "casync"):
            yield most("update to the next version, bytes of HTTP against casync",
                       results.ratio("update", "regild", "casync", "wire"), UPDATE_OF_CASYNC, "×")
        yield most("update to the next version, on loopback", results.median("update", "regild"), UPDATE_SECONDS, "s")


def provision(results):
    case = "provision"
    if results.has(case, "regild"):
        for peer in "curl zst | zstd | dd", "bmaptool":
            yield most(f"provisioning, seconds against {peer}", results.ratio(case, "regild", peer), 1, "×")
        yield most("provisioning, bytes against curl zst | zstd | dd",
                   results.ratio(case, "regild", "curl zst | zstd | dd", "wire"), PROVISION_BYTES, "×")


def clone(results):
    if results.has(CLONE_CASE, "regild"):
        yield most("provisioning in a guest, seconds against dm-clone until it has copied all",
                   results.ratio(CLONE_CASE, "regild", CLONE), 1, "×")
        yield most("provisioning in a guest, bytes against dm-clone",
                   results.ratio(CLONE_CASE, "regild", CLONE, "wire"), PROVISION_BYTES, "×")
        usable = [f"{results.facts[CLONE_CASE, f'{USABLE}, {name}']:.3g} s by {name}" for name in ("regild", CLONE)]
        yield known(f"provisioning in a guest, {USABLE}", ", ".join(usable),
                    "regild's is usable when it is golden; with dm-clone what is read meanwhile is fetched, unverified")


def publish(results):
    if results.has("publish", "regild"):
        yield most("publish, seconds against zstd -T0 at its level", results.ratio("publish", "regild", "zstd -T0"),
                   PUBLISH_OF_ZSTD, "×")


def scale(results):
    """In each round: what 1000 blocks cost beyond reading the marks, against those of a smaller image; and what a block
    costs beyond a restore of a single one, against a tenth as many."""
    def costs(case, what, fixed, blocks=1):
        return [(whole - part) / blocks for whole, part in
                zip(results.values(case, "regild", what), results.values(*fixed, what))]

    def growth(what, ours, base):
        return most(what, statistics.median(cost / less for cost, less in zip(ours, base)), GROWTH, "×")

    if not results.has(ONE, "regild"):
        return
    for what, unit in ("seconds", "seconds"), ("cpu", "CPU seconds"):
        for blocks in IN_RUNS, SINGLE:
            base, *larger = [(size, costs(f"{blocks}, {size}", what, (f"{blocks}, {size}", MARKS))) for size in SIZES]
            for size, of_size in larger:
                yield growth(f"{blocks}, {size}, {unit} but for reading the marks, against {base[0]}", of_size, base[1])
        a_block = {case: costs(case, what, (ONE, "regild"), count - 1) for case, count in COUNTS.items()
                   if results.has(case, "regild")}
        for tenth, case in pairwise(a_block):
            yield growth(f"{case}, {unit} a block beyond a restore of one, against a tenth as many", a_block[case],
                         a_block[tenth])


def flushes(results):
    """Those of the images that grow by themselves."""
    groups = {}
    for (case, method), count in results.flushes.items():
        verb = results.samples[case, method][0].regild
        groups.setdefault((verb, results.has(case, MARKS)), []).append((count, f"{case}: {method}"))
    for (verb, _), counts in groups.items():
        if verb in FLUSHES:
            count, where = max(counts)
            yield most(f"{verb}, flushes at the most ({where})", count, FLUSHES[verb], "flushes")


def memory(results):
    """Of all that was regild, whatever the method's name. The bar is one of restoring."""
    peaks = [(sample.rss, sample.regild, f"{case}: {method}") for (case, method), samples in results.samples.items()
             for sample in samples if sample.regild]
    restoring = [peak for peak in peaks if peak[1] != "publish"]
    if restoring:
        peak, _, where = max(restoring)
        yield most(f"resident memory of the tool, at the most ({where})", peak, RESIDENT, "MiB")
    publishing = [peak for peak in peaks if peak[1] == "publish"]
    if publishing:
        peak, _, where = max(publishing)
        yield known(f"resident memory of publish, at the most ({where})", f"{peak:.3g} MiB",
                    f"{RESIDENT:.3g} MiB are for who restores")
