# SPDX-License-Identifier: GPL-2.0-or-later
"""The samples of a run of the bench, by case and method."""

import dataclasses
import json
import statistics


class Results:
    def __init__(self, quick):
        self.quick = quick
        self.samples = {}  # (case, method): samples in their order
        self.flushes = {}  # (case, method): how often a run flushes
        self.facts = {}  # (case, fact): what is known beside the samples

    def add(self, case, method, sample):
        self.samples.setdefault((case, method), []).append(sample)
        print(f"{case:28} {method:22} {sample.seconds:8.3f} s  {sample.cpu:7.3f} CPU s  {sample.rss:5.0f} MiB  "
              f"{sample.wire / 1e6:9.3f} MB  {sample.requests} requests", flush=True)

    def flushed(self, case, method, count):
        self.flushes[case, method] = count
        print(f"{case:28} {method:22} {count} flushes", flush=True)

    def fact(self, case, fact, value):
        self.facts[case, fact] = value
        print(f"{case:28} {fact}: {value}", flush=True)

    def has(self, case, method):
        return (case, method) in self.samples

    def methods(self, case):
        return [method for c, method in self.samples if c == case]

    def cases(self):
        return list(dict.fromkeys(case for case, _ in [*self.samples, *self.facts]))

    def values(self, case, method, what="seconds"):
        return [getattr(sample, what) for sample in self.samples[case, method]]

    def median(self, case, method, what="seconds"):
        return statistics.median(self.values(case, method, what))

    def ratio(self, case, method, other, what="seconds"):
        """The median of the ratios within each round: what slows the machine down slows down both. Who takes part in
        few rounds does in the first ones."""
        pairs = zip(self.values(case, method, what), self.values(case, other, what))
        return statistics.median(ours / theirs for ours, theirs in pairs)

    def json(self):
        return json.dumps({
            "quick": self.quick,
            "samples": [{"case": case, "method": method, **{key: value for key, value in
                                                           dataclasses.asdict(sample).items() if key != "output"}}
                        for (case, method), samples in self.samples.items() for sample in samples],
            "flushes": [{"case": case, "method": method, "flushes": count} for (case, method), count in
                        self.flushes.items()],
            "facts": [{"case": case, "fact": fact, "value": value} for (case, fact), value in self.facts.items()],
        }, indent=1)
