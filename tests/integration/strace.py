# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls of a run of regild, where a flush, an order or a flag is the point."""

import re
import subprocess

from kit import CLEAN, REGILD


def traced(lab, which, *arguments, expect=CLEAN):
    """Runs regild; its calls named in `which` in order, as strace writes them, descriptors with their paths."""
    output = lab.folder / "strace"
    print("$ strace regild", *arguments, flush=True)
    status = subprocess.run(["strace", "-f", "-y", "-qq", "-e", f"trace={which}", "-e", "signal=none", "-s", "0",
                             "-o", output, REGILD, *map(str, arguments)], check=False).returncode
    assert status == expect, f"exit code {status} where {expect} was expected"
    # A call that another thread interrupts is in two lines: the first has what it is asked, the second the result.
    calls, open_calls = [], {}
    for line in output.read_text(errors="replace").splitlines():
        pid, call = re.match(r"(\d+) +(.*)", line).groups()
        if call.endswith("<unfinished ...>"):
            open_calls[pid] = call.removesuffix("<unfinished ...>").rstrip()
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", call)
        calls.append(open_calls.pop(pid) + resumed[1] if resumed else call)
    return calls
