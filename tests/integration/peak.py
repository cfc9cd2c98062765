# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a command and writes its peak memory in KiB to a file: peak.py FILE COMMAND [ARGUMENT...]. For who is
large itself: Linux counts the memory of a process that starts another one as that one's, too."""

import os
import sys

pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
