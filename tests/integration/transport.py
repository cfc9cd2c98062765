# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of a test's own: an nginx that asks who is there, and proxies."""

import atexit
import base64
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from ports import free_port

# In a server block, with what make_certificates() has put into its folder.
HTTP2 = """listen 127.0.0.1:@TLS@ ssl http2;
		ssl_certificate @FOLDER@/server.pem;
		ssl_certificate_key @FOLDER@/server.key;"""
NGINX_CONF = Path(__file__).resolve().parent.parent / "kit" / "nginx.conf"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_certificates(folder):
    """ca.pem, and signed by it server.pem for 127.0.0.1 and client.pem, each with NAME.key."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl("req", "-x509", *key, "-subj", "/CN=regild test CA", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
    for name in "server", "client":
        openssl("req", "-x509", *key, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-subj", f"/CN={name}",
                "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE",
                "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")


def start_nginx(folder, more, store=None, http=""):
    """An nginx that serves the store of the tests, with `more` in its server block and `http` before it: the ports
    that stand for @TLS@ and without TLS."""
    store = store or Path(os.environ["REGILD_NGINX_ROOT"])
    for _ in range(10):
        port, other = free_port(), free_port()
        text = NGINX_CONF.read_text().replace("@FOLDER@/store", str(store)).replace("\tserver {", http + "\tserver {")
        for name, value in (("MORE", more.replace("@TLS@", str(port))), ("PORT", other), ("FOLDER", folder)):
            text = text.replace(f"@{name}@", str(value))
        (folder / "nginx.conf").write_text(text)
        process = subprocess.Popen(["nginx", "-e", folder / "error.log", "-p", folder, "-c", folder / "nginx.conf"],
                                   stdin=subprocess.DEVNULL)
        atexit.register(process.kill)
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return port, other
            except ConnectionError:
                time.sleep(0.05)
    raise SystemExit("nginx does not start: see " + str(folder / "error.log"))


def pump(one, other):
    """Copies bytes both ways until one side ends."""
    def copy(source, sink):
        try:
            while piece := source.recv(65536):
                sink.sendall(piece)
        except OSError:
            pass
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    back = threading.Thread(target=copy, args=(other, one), daemon=True)
    back.start()
    copy(one, other)
    back.join()


class _ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def allowed(self):
        self.server.heads.append(f"{self.requestline}\n{self.headers}")
        expected = self.server.credentials
        given = self.headers.get("Proxy-Authorization", "")
        if not expected or given == "Basic " + base64.b64encode(expected.encode()).decode():
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_GET(self):
        if not self.allowed():
            return
        url = urlsplit(self.path)
        server = http.client.HTTPConnection(url.hostname, url.port or 80)
        headers = {name: value for name, value in self.headers.items() if not name.lower().startswith("proxy-")}
        server.request("GET", url.path + (f"?{url.query}" if url.query else ""), headers=headers)
        answer = server.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self):
        if not self.allowed():
            return
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as server:
            self.send_response(200)
            self.end_headers()
            pump(self.connection, server)
        self.close_connection = True


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy for http and, by CONNECT, for https. `heads` are those of the requests that came."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, credentials=None):
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.credentials, self.heads = credentials, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients that hang up are part of the tests."""


class Socks:
    """A SOCKS5 proxy without a password (RFC 1928), for IPv4 addresses. `count`: connections it made."""

    def __init__(self):
        self.count = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        def take(length):
            return connection.recv(length, socket.MSG_WAITALL)
        take(take(2)[1])
        connection.sendall(b"\x05\x00")
        assert take(4) == b"\x05\x01\x00\x01"
        host, port = socket.inet_ntoa(take(4)), int.from_bytes(take(2), "big")
        with socket.create_connection((host, port)) as server:
            self.count += 1
            connection.sendall(b"\x05\x00\x00\x01" + bytes(6))
            pump(connection, server)
