# SPDX-License-Identifier: GPL-2.0-or-later
"""A tap in the line to a server: passes all bytes on as they are, and keeps what was asked and how it was
answered."""

import re
import socket
import threading
import time
from dataclasses import dataclass

CHUNK = 1 << 16


@dataclass
class Exchange:
    """A request, and the head of its answer."""

    connection: int
    path: str
    asked: str  # the Range header, "" where there is none
    status: int = 0
    content_range: str = ""

    @property
    def range(self):
        """(begin, end) of the one range that was asked for, or None."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.asked)
        return (int(match[1]), int(match[2]) + 1) if match else None


class _Heads:
    """Finds the heads in one direction of a connection; bodies are skipped by who knows where they end."""

    def __init__(self):
        self._bytes = b""

    def take(self, more):
        """A head that is complete now, as (its first line, {name: value}), or None."""
        self._bytes += more
        head, end, _ = self._bytes.partition(b"\r\n\r\n")
        if not end:
            return None
        self._bytes = b""
        first, *lines = head.decode("latin-1").split("\r\n")
        return first, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


class Tap:
    """Requests have no body and wait for the answer before, as those of regild: so what follows a request is
    the head of its answer. Each answer is held back for `pause` seconds, as a distant server's."""

    def __init__(self, port, pause=0):
        self._port, self._pause = port, pause
        self._lock = threading.Lock()
        self._connections = 0
        self.exchanges = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def take(self):
        """What was asked since the last call."""
        with self._lock:
            taken, self.exchanges = self.exchanges, []
        return taken

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections += 1
            threading.Thread(target=self._serve, args=(client, self._connections), daemon=True).start()

    def _serve(self, client, number):
        try:
            server = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            client.close()
            return
        waiting = []  # the exchange whose answer has not begun
        threading.Thread(target=self._pass_answers, args=(server, client, waiting), daemon=True).start()
        heads = _Heads()
        while piece := _received(client):
            if head := heads.take(piece):
                line, headers = head
                exchange = Exchange(number, line.split(" ")[1], headers.get("range", ""))
                with self._lock:
                    self.exchanges.append(exchange)
                waiting.append(exchange)
            _send(server, piece)
        _shut(server)

    def _pass_answers(self, server, client, waiting):
        heads = _Heads()
        while piece := _received(server):
            if waiting and (head := heads.take(piece)):
                time.sleep(self._pause)
                line, headers = head
                exchange = waiting.pop()
                exchange.status = int(line.split(" ")[1])
                exchange.content_range = headers.get("content-range", "")
            _send(client, piece)
        _shut(client)
        client.close()
        server.close()


def _received(connection):
    try:
        return connection.recv(CHUNK)
    except OSError:
        return b""


def _send(connection, piece):
    try:
        connection.sendall(piece)
    except OSError:
        pass


def _shut(connection):
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass
