#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints the tables of the kernel bench from the guests' output, and holds the
figures against the bars. Exit 1 if a bar is missed."""

import statistics
import sys

TARGETS = [("raw", "raw"), ("linear", "dm-linear"), ("era", "dm-era 64K"),
           ("writelog", "writelog 64K")]
COLUMNS = [("write-1", "write QD1"), ("write-32", "QD32"),
           ("touch-1", "first touch QD1"), ("touch-32", "QD32"),
           ("seq-touch", "1 MiB first touch"), ("seq-steady", "1 MiB steady QD1"),
           ("seq-steady-32", "QD32"), ("read-1", "read QD1"), ("read-32", "QD32")]
# Written once more here so that a change of a bar shows as one.
WITHIN_LINEAR = 1.0     # per cent, for what is steady
FIRST_MIB = 16.0        # per cent above linear
TOUCH_1 = 17000
TOUCH_32 = 7500
LATENCY = 1.5           # times dm-linear's and one commit's

SLOW = [("raw", "raw"), ("linear", "dm-linear"), ("era", "dm-era 64K"),
        ("writelog", "writelog 64K"), ("writelog-2", "writelog 64K, log on a fast disk")]
CASES = [("direct", "direct write"), ("fsync", "fsync on ext4"), ("cgroup", "high-weight cgroup")]
# What a commit takes at the least, in milliseconds: on the slow disk one of 200
# requests a second.
COMMIT = {"writelog": 5, "writelog-2": 1}


def read(lines):
    values, counts, waits, crc = {}, {}, {}, "unknown"
    for line in lines:
        words = line.split()
        if len(words) == 2 and words[0] == "crc32c":
            crc = words[1]
        elif len(words) == 3 and words[0] == "count":
            counts[words[1]] = int(words[2])
        elif len(words) == 4 and words[0] == "latency":
            waits.setdefault((words[1], words[2]), []).append(int(words[3]) / 1000)
        elif len(words) == 3 and words[0] in dict(COLUMNS):
            values.setdefault((words[0], words[1]), []).append(int(words[2]))
    waits = {key: (statistics.median(v), max(v), len(v)) for key, v in waits.items()}
    return {key: statistics.median(v) for key, v in values.items()}, counts, waits, crc


def print_table(value):
    print("| instructions per I/O | " + " | ".join(title for _, title in COLUMNS) + " |")
    print("|---|" + "---|" * len(COLUMNS))
    for target, title in TARGETS:
        cells = [f"{value[column, target]:.0f}" for column, _ in COLUMNS]
        print(f"| {title} | " + " | ".join(cells) + " |")


def print_latencies(waits):
    print("| ms waited: median, worst (requests) | " + " | ".join(title for _, title in CASES) + " |")
    print("|---|" + "---|" * len(CASES))
    for target, title in SLOW:
        cells = ["{:.0f}, {:.0f} ({})".format(*waits[case, target]) for case, _ in CASES]
        print(f"| {title} | " + " | ".join(cells) + " |")


def latency_bars(waits):
    for case, title in CASES:
        for target, least in COMMIT.items():
            for i, which in enumerate(("median", "worst")):
                got, allowed = waits[case, target][i], LATENCY * (waits[case, "linear"][i] + least)
                yield (f"{title}, {which} of {dict(SLOW)[target]}", f"{got:.0f} ms",
                       f"{allowed:.0f} ms", got <= allowed)


def bars(value, counts):
    """Yields (what, measured, allowed, passed)."""
    def above(column):
        return (value[column, "writelog"] / value[column, "linear"] - 1) * 100

    for column, title in (("write-1", "steady 4 KiB write QD1"),
                          ("write-32", "steady 4 KiB write QD32"),
                          ("seq-steady", "steady 1 MiB write QD1"),
                          ("seq-steady-32", "steady 1 MiB write QD32"),
                          ("read-1", "4 KiB read QD1"), ("read-32", "4 KiB read QD32")):
        yield (f"{title}, above dm-linear", f"{above(column):.2f} %",
               f"{WITHIN_LINEAR} %", above(column) <= WITHIN_LINEAR)
    for column, limit in (("touch-1", TOUCH_1), ("touch-32", TOUCH_32)):
        got = value[column, "writelog"]
        yield (f"first touch of random 4 KiB, QD{column[6:]}", f"{got:.0f}",
               str(limit), got <= limit)
    yield ("first 1 MiB write, above dm-linear", f"{above('seq-touch'):.2f} %",
           f"{FIRST_MIB} %", above("seq-touch") <= FIRST_MIB)
    commits = counts["commits"]
    yield ("log writes per commit of one unit", f"{counts['writes']}/{commits}", "1",
           commits > 0 and counts["writes"] == commits == counts["units"])
    yield ("flushes of the log per commit of one unit", f"{counts['flushes']}/{commits}",
           "1", counts["flushes"] <= commits)


def main():
    value, counts, waits, crc = read(sys.stdin)
    print(f"crc32c: {crc}; data 16 GiB on null_blk, log on a RAM disk; "
          "user, kernel and workers; median of 3")
    print()
    print_table(value)
    print()
    print("Disks of 200 requests a second, while another task writes back 3000 pages, "
          "each in a fresh block")
    print()
    print_latencies(waits)
    print()
    missed = 0
    for what, got, allowed, passed in [*bars(value, counts), *latency_bars(waits)]:
        print(f"{'ok    ' if passed else 'MISSED'}  {what}: {got} (at most {allowed})")
        missed += not passed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
