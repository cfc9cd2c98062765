# SPDX-License-Identifier: GPL-2.0-or-later
"""A web server that serves a store rightly until a test tells it otherwise."""

import http.server
import os
import re
import socket
import struct
import threading
import time
from pathlib import Path


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    """One request. `behave` (see Hostile) calls one of the answers below; where it calls none, correct()."""

    protocol_version = "HTTP/1.1"
    hostile = None

    def do_GET(self):
        self.answered = False
        self.number = self.hostile.count(self)
        self.hostile.behave(self)
        if not self.answered:
            self.correct()

    def log_message(self, *_):
        pass

    @property
    def name(self):
        return self.path.split("?")[0].rsplit("/", 1)[1]

    @property
    def range(self):
        """(first, last) or None."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        return (int(match[1]), int(match[2])) if match else None

    def content(self, first, last):
        with open(self.hostile.root + self.path.split("?")[0], "rb") as file:
            return os.pread(file.fileno(), last - first + 1, first)

    def size(self):
        return os.stat(self.hostile.root + self.path.split("?")[0]).st_size

    # Answers.

    def reply(self, status, body=b"", headers=(), length=None):
        """`length`: the Content-Length to claim, where it is not that of the body."""
        self.answered = True
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def correct(self):
        path = Path(self.hostile.root + self.path.split("?")[0])
        if not path.is_file():
            self.reply(404)
        elif self.range:
            self.partial(self.content(*self.range))
        else:
            self.reply(200, path.read_bytes())

    def partial(self, body, content_range=None, length=None, headers=()):
        first, last = self.range
        content_range = content_range or f"bytes {first}-{last}/{self.size()}"
        self.reply(206, body, [("Content-Range", content_range), *headers], length)

    def whole_file(self):
        """200, as a server that knows no ranges."""
        self.reply(200, self.content(0, self.size() - 1))

    def break_off(self, reset=False):
        """Half of the range, then the connection is gone."""
        body = self.content(*self.range)
        self.partial(body[: len(body) // 2], length=len(body))
        self.wfile.flush()
        self.drop(reset)

    def drip(self, count, pause):
        """So many bytes of the range come one by one, each after `pause` seconds; then the rest."""
        body = self.content(*self.range)
        self.partial(b"", length=len(body))
        for at in range(count):
            time.sleep(pause)
            self.wfile.write(body[at : at + 1])
        self.wfile.write(body[count:])

    def raw(self, answer):
        """These bytes and no more."""
        self.wfile.write(answer)
        self.drop()

    def endless_head(self):
        """Headers until the client has enough."""
        self.wfile.write(b"HTTP/1.1 206 Partial Content\r\n")
        self._endless(b"X-More: " + b"x" * 1000 + b"\r\n")

    def endless_body(self):
        """The range that was asked for, and bytes behind it until the client has enough."""
        first, last = self.range
        self.wfile.write(f"HTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n"
                         f"Content-Range: bytes {first}-{last}/{self.size()}\r\n\r\n".encode())
        body = self.content(first, last)
        self.wfile.write(b"%x\r\n" % len(body) + body + b"\r\n")
        self._endless(b"1000\r\n" + bytes(0x1000) + b"\r\n")

    def _endless(self, piece):
        for _ in range((256 << 20) // len(piece)):  # who takes all of it has taken too much
            self.wfile.write(piece)
        self.drop()

    def drop(self, reset=False):
        """The connection ends here."""
        self.answered = True
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The socket's files keep it open otherwise.
            self.rfile.close()
            self.connection.close()


class Hostile:
    """Serves the files below `root` on loopback, or another address; `behave(request)` may answer in its own way.
    behave is called by one thread at a time."""

    def __init__(self, root, behave=lambda request: None, address="127.0.0.1"):
        self.root = str(root)
        self._behave = behave
        self._lock = threading.RLock()  # behave may ask for counts
        self._counts = {}
        self._dead = False
        handler = type("BoundHandler", (Handler,), {"hostile": self})
        self._server = _Server((address, 0), handler)
        self.url = f"http://{address}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def count(self, request):
        """The how manieth request for a file of this name this is, from 1."""
        with self._lock:
            self._counts[request.name] = self._counts.get(request.name, 0) + 1
            return self._counts[request.name]

    def requests(self, name):
        with self._lock:
            return self._counts.get(name, 0)

    def total(self):
        """The requests so far."""
        with self._lock:
            return sum(self._counts.values())

    def behave(self, request):
        if self._dead:
            request.drop(reset=True)
            return
        with self._lock:
            self._behave(request)

    def die(self):
        """As when its machine is switched off; to be called from behave. Connections and new requests are
        dropped from now on."""
        self._dead = True
