# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of the bench, and its bars."""

import os
import platform

from bars import bars

VERDICTS = {True: "ok     ", False: "NOT MET", None: "no bar "}


def table(results, case):
    yield f"### {case}"
    yield ""
    for (of, fact), value in results.facts.items():
        if of == case:
            yield f"{fact}: {value}  "
    yield ""
    if not results.methods(case):
        return
    yield "| | seconds | least | most | CPU s | MiB resident | MB moved | requests | flushes | rounds |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for method in results.methods(case):
        seconds = results.values(case, method)
        cells = [f"{results.median(case, method):.3f}", f"{min(seconds):.3f}", f"{max(seconds):.3f}",
                 f"{results.median(case, method, 'cpu'):.3f}", f"{results.median(case, method, 'rss'):.0f}",
                 f"{results.median(case, method, 'wire') / 1e6:.2f}", f"{results.median(case, method, 'requests'):.0f}",
                 str(results.flushes.get((case, method), "")), str(len(seconds))]
        yield f"| {method} | " + " | ".join(cells) + " |"
    yield ""


def report(results):
    """(text, whether all bars are met)."""
    lines = [f"{os.cpu_count()} processors, Linux {platform.release()}; medians; bytes are those of HTTP with its "
             "headers, on emulated links those of IP; rsync's are its own count", ""]
    for case in results.cases():
        lines += table(results, case)
    held = list(bars(results))
    for bar in held:
        lines.append(f"{VERDICTS[bar.met]}  {bar.what}: {bar.got} ({bar.allowed})")
    return "\n".join(lines) + "\n", all(bar.met is not False for bar in held)
