# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenStack Swift on the loopback: a proxy and three nodes, each an account, a container and an object server
of their own with a folder for a disk. All is plain files in one folder and plain processes, until `with` ends."""

import getpass
import hashlib
import hmac
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from ports import free_port

KINDS = "account", "container", "object"
NODES = 3
START_TIME = 120  # seconds


class Swift:
    """A copy of each object is on each node. `container` holds the objects."""

    container = "store"
    _temporary_key = "only for signing"

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="regild-swift-"))
        self._processes = {}  # (kind, node): process
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        shutil.rmtree(self.folder)

    def kill_node(self, node):
        """As when its power goes."""
        for kind in KINDS:
            self._processes[kind, node].kill()
            self._processes[kind, node].wait()

    def client(self, *arguments):
        """Swift's own client, as the owner of the store."""
        owner = "-A", f"{self.url}/auth/v1.0", "-U", "kiosk:admin", "-K", "secret"
        subprocess.run(["swift", *owner, *map(str, arguments)], check=True)

    def presigned(self, name, lifetime=60):
        """Path and query of an object that let anybody in for so many seconds."""
        path = urllib.parse.quote(f"/v1/AUTH_kiosk/{self.container}/{name}")
        expires = int(time.time()) + lifetime
        signature = hmac.new(self._temporary_key.encode(), f"GET\n{expires}\n{path}".encode(), hashlib.sha256)
        return f"{path}?temp_url_sig={signature.hexdigest()}&temp_url_expires={expires}"

    # Its parts.

    def _start(self):
        ports = {(kind, node): free_port() for kind in KINDS for node in range(NODES)}
        cache_port, self.port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._write("swift.conf", "[swift-hash]\nswift_hash_path_suffix = regild\n"
                                  "[storage-policy:0]\nname = copies\ndefault = yes\n")
        self._run("memcache", 0, "memcached", "-l", "127.0.0.1", "-p", cache_port, "-u", getpass.getuser())
        for kind in KINDS:
            self._make_ring(kind, [ports[kind, node] for node in range(NODES)])
            for node in range(NODES):
                (self.folder / f"node-{node}" / "disk").mkdir(parents=True, exist_ok=True)
                self._run_server(kind, node, ports[kind, node], f"""
devices = {self.folder}/node-{node}
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
""")
        self._run_server("proxy", 0, self.port, f"""
[pipeline:main]
pipeline = catch_errors gatekeeper proxy-logging cache tempurl tempauth proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:proxy-logging]
use = egg:swift#proxy_logging
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{cache_port}
[filter:tempurl]
use = egg:swift#tempurl
[filter:tempauth]
use = egg:swift#tempauth
user_kiosk_admin = secret .admin
""")
        for port in [*ports.values(), self.port]:
            self._wait_for(port)
        self.client("post", "-m", f"Temp-URL-Key:{self._temporary_key}")

    def _make_ring(self, kind, ports):
        builder = self.folder / f"{kind}.builder"

        def build(*arguments):
            subprocess.run(["swift-ring-builder", builder, *map(str, arguments)], check=True,
                           stdout=subprocess.DEVNULL)

        build("create", 4, NODES, 1)  # 2^4 partitions, a copy on each node
        for node, port in enumerate(ports):
            build("add", "--region", 1, "--zone", node + 1, "--ip", "127.0.0.1", "--port", port, "--device", "disk",
                  "--weight", 1)
        build("rebalance")

    def _run_server(self, kind, node, port, rest):
        conf = self._write(f"{kind}-{node}.conf", f"""
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
user = {getpass.getuser()}
swift_dir = {self.folder}
workers = 0
""" + rest.lstrip())
        self._run(kind, node, f"swift-{kind}-server", conf, "-v")

    def _run(self, kind, node, *command):
        with open(self.folder / f"{kind}-{node}.log", "wb") as log:
            self._processes[kind, node] = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                                           stdout=log, stderr=log)

    def _write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def _wait_for(self, port):
        until = time.monotonic() + START_TIME
        while time.monotonic() < until:
            for (kind, node), process in self._processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{kind} {node} ended:\n" + (self.folder / f"{kind}-{node}.log").read_text())
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck").read()
                return
            except urllib.error.HTTPError:
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise AssertionError(f"nobody listens on {port}")
