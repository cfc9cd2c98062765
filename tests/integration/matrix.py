# SPDX-License-Identifier: GPL-2.0-or-later
"""What each server of servers.py is put to."""

import urllib.error
import urllib.request
from collections import Counter

from kit import KIB, MIB, Lab
from tap import Tap

KIOSKS = 4  # at once, with 16 connections each


def check(kind):
    """Provisions and restores from a server of this kind, and looks at every answer."""
    lab = Lab()
    lab.publish("--raw", size=16 * MIB + 3 * 512, zero=[(2 * MIB, 3 * MIB), (7 * MIB, 7 * MIB + 64 * KIB)])
    with kind(lab) as server, Tap(server.port) as tap:
        lab.make_disk()
        lab.provision(tap.url)
        lab.check_golden()
        exchanges = tap.take()
        check_answers(lab, server, exchanges)
        assert len(exchanges) > 16 * 3, "too few for connections to be turned over"
        lab.session(0, 1, 2, 17, 40, 112, 113, 150, 256)
        lab.restore(tap.url)
        lab.check_golden()
        check_answers(lab, server, tap.take())
        kiosks = lab.kiosks(KIOSKS)
        lab.at_once(kiosks, "provision", tap.url)
        for kiosk in kiosks:
            kiosk.check_golden()
        check_answers(lab, server, tap.take())
        check_raw(lab, server)
        if server.is_cache:
            check_origin(lab, server)
            # The channel is not kept: what is published now is offered now.
            lab.publish(version=2, seed=2)
            lab.make_disk()
            lab.provision(tap.url)
            lab.check_golden()


def check_answers(lab, server, exchanges):
    """To single ranges came exactly what was asked for, and where the server turns connections over it did."""
    assert exchanges
    for exchange in exchanges:
        path = exchange.path.split("?")[0]
        if path.endswith(".json"):
            assert (exchange.asked, exchange.status) == ("", 200), exchange
            continue
        size = (lab.store.parent / path[1:]).stat().st_size
        begin, end = exchange.range
        assert exchange.status == 206, exchange
        assert exchange.content_range == f"bytes {begin}-{end - 1}/{size}", exchange
    of_connection = Counter(exchange.connection for exchange in exchanges)
    print(f"{len(exchanges)} requests over {len(of_connection)} connections")
    if server.requests_per_connection:
        # Some count the first one, some do not.
        assert max(of_connection.values()) <= server.requests_per_connection + 1


def check_raw(lab, server):
    """The uncompressed image is a file like the others, whole and by ranges."""
    url = lab.url("kiosk/1/image.raw", server.url)
    raw = (lab.manifest().parent / "image.raw").read_bytes()
    assert urllib.request.urlopen(url).read() == raw
    begin, end = 3 * MIB + 5, 4 * MIB + 7
    assert ask(url, begin, end) == (206, f"bytes {begin}-{end - 1}/{len(raw)}", raw[begin:end])
    status, _, _ = ask(url, len(raw) + 10, len(raw) + 20)
    assert status == server.past_the_end, status


def ask(url, begin, end):
    """(status, Content-Range, body)"""
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-{end - 1}"})
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers["Content-Range"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Content-Range"], b""


def check_origin(lab, server):
    """Whoever asks, and however often: the cache asks once for each byte."""
    sent = Counter()
    for request in lab.requests():
        if request.status in (200, 206):
            sent[request.path] += request.sent
    for path, count in sent.items():
        size = (lab.store.parent / path[1:]).stat().st_size
        print(f"{path}: {count} bytes from the origin, of {size}")
        if not path.endswith(".json"):
            assert count <= size, f"{path} was fetched more than once"
