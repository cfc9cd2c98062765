# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports of the loopback."""

import socket


def free_port():
    """One that nobody listens on now; somebody may before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
