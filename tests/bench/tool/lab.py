# SPDX-License-Identifier: GPL-2.0-or-later
"""What the bench measures with: a web server, a slow line, and a process with its costs."""

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent.parent
WORK = TOP / "build" / "bench"
CACHE = TOP / "build" / "cache" / "desktop"
REGILD = Path(os.environ.get("REGILD", TOP / "build" / "userspace" / "regild")).resolve()
NGINX_CONF = TOP / "tests" / "kit" / "nginx.conf"
MORE = """sendfile on;
		tcp_nopush on;
		access_log @FOLDER@/wire.log wire;
		@LISTEN@
		listen @ADDRESS@:@TLS_PORT@ ssl http2;
		ssl_certificate @FOLDER@/certificate.pem;
		ssl_certificate_key @FOLDER@/key.pem;"""
LOOPBACK = "127.0.0.1"
SERVER_ADDRESS, CLIENT_ADDRESS = "10.99.0.1", "10.99.0.2"
FLUSHES = "fsync,fdatasync,sync,syncfs,sync_file_range,msync"

# Proxies of this machine's are none of the bench's business.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]


@dataclass
class Sample:
    """One run: seconds on the clock and of processors, MiB of resident memory, and the bytes of HTTP and requests
    that the server counted; `index`: the share of these bytes that image.index took; `regild`: which of its commands it
    was, if one."""
    seconds: float
    cpu: float
    rss: float
    wire: int = 0
    requests: int = 0
    index: float = 0
    output: str = ""
    regild: str = ""


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def inside(namespace, command):
    return ["nsenter", f"--net=/run/netns/{namespace}", *command] if namespace else command


def measure(command, namespace=None, stdin=None):
    """Runs a command to its good end. A shell's pipeline counts whole."""
    command = list(map(str, command))
    output, costs = WORK / "output", WORK / "costs"
    with open(output, "wb") as file:
        subprocess.run(inside(namespace, [str(WORK / "bin" / "meter"), str(costs), *command]), check=True,
                       stdin=stdin or subprocess.DEVNULL, stdout=file, stderr=file)
    text = output.read_text(errors="replace")
    status, seconds, cpu, rss = costs.read_text().split()
    if status != "0":
        raise SystemExit(f"bench: exit code {status} of {' '.join(command)}\n{text}")
    regild = command[command.index(str(REGILD)) + 1] if str(REGILD) in command else ""
    return Sample(float(seconds), float(cpu), int(rss) / 1024, output=text, regild=regild)


def count_flushes(command, stdin=None):
    """How often the command asks for durability, by strace, which stops it at nothing else: regild flushes again after
    some seconds."""
    output = WORK / "strace"
    subprocess.run(["strace", "-f", "--seccomp-bpf", "-qq", "-e", f"trace={FLUSHES}", "-e", "signal=none", "-o", output,
                    *map(str, command)], check=True, stdin=stdin or subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return sum("resumed>" not in line and "exited" not in line for line in output.read_text().splitlines())


class Server:
    """nginx with the folder `store` of WORK as its root, in a network namespace if one is named."""

    def __init__(self, name, address=LOOPBACK, namespace=None):
        self.folder, self.namespace = WORK / f"nginx-{name}", namespace
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "store").symlink_to(WORK / "store")
        self.certificate = self.folder / "certificate.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=regild bench", "-addext", f"subjectAltName=IP:{address}", "-keyout", self.folder / "key.pem",
            "-out", self.certificate, stderr=subprocess.DEVNULL)
        port, tls_port = free_port(), free_port()
        listen = "" if address == LOOPBACK else f"listen {address}:{port};"
        text = NGINX_CONF.read_text().replace("@MORE@", MORE)
        for key, value in (("LISTEN", listen), ("ADDRESS", address), ("TLS_PORT", tls_port), ("PORT", port),
                           ("FOLDER", self.folder)):
            text = text.replace(f"@{key}@", str(value))
        (self.folder / "nginx.conf").write_text(text)
        self.process = subprocess.Popen(
            inside(namespace, ["nginx", "-e", str(self.folder / "error.log"), "-p", str(self.folder), "-c",
                               str(self.folder / "nginx.conf")]), stdin=subprocess.DEVNULL)
        self.url, self.tls_url = f"http://{address}:{port}", f"https://{address}:{tls_port}"
        self._sentinel = f"http://{LOOPBACK}:{port}/sentinel"
        self._seen = 0
        for _ in range(100):
            if self.process.poll() is None and self._settle(check=False) == 0:
                break
            time.sleep(0.05)
        else:
            raise SystemExit(f"bench: nginx does not start: see {self.folder}/error.log")
        self.counted()

    def _settle(self, check=True):
        """nginx is one process: what it answered before this request is in its log afterwards."""
        return subprocess.run(inside(self.namespace, ["curl", "-sf", "-o", "/dev/null", self._sentinel]),
                              check=check).returncode

    def counted(self):
        """Bytes, requests, and image.index's share of the bytes, since the last call."""
        self._settle()
        with open(self.folder / "wire.log", encoding="utf-8") as log:
            log.seek(self._seen)
            text = log.read()
            self._seen = log.tell()
        lines = [line.split("|") for line in text.splitlines() if not line.endswith("|/sentinel")]
        wire = sum(int(sent) + int(asked) for sent, asked, _ in lines)
        index = sum(int(sent) + int(asked) for sent, asked, uri in lines if uri.endswith("/image.index"))
        return wire, len(lines), index / max(wire, 1)

    def measure(self, command, namespace=None, stdin=None):
        self.counted()
        sample = measure(command, namespace, stdin)
        sample.wire, sample.requests, sample.index = self.counted()
        return sample

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Link:
    """A line of `rate` bits a second and a round trip of `trip` milliseconds, with a server at its other end; see
    link.cpp for what it does to packets."""

    def __init__(self, name, rate, trip):
        self.name = name
        self.far, self.near = f"regild-{os.getpid()}-far", f"regild-{os.getpid()}-near"
        self._counters = WORK / "link-counters"
        self._started = []
        self._namespaces = []
        try:
            for namespace in self.far, self.near:
                run("ip", "netns", "add", namespace)
                self._namespaces.append(namespace)
                run("ip", "-n", namespace, "link", "set", "lo", "up")
            line = subprocess.Popen([WORK / "bin" / "link", self.far, self.near, str(rate), str(trip / 2),
                                     self._counters], stdout=subprocess.PIPE)
            self._started.append(line)
            if line.stdout.readline() != b"ready\n":
                raise SystemExit("bench: the emulated link does not start")
            for namespace, address in (self.far, SERVER_ADDRESS), (self.near, CLIENT_ADDRESS):
                run("ip", "-n", namespace, "address", "add", f"{address}/30", "dev", "link0")
                run("ip", "-n", namespace, "link", "set", "link0", "up")
            self.server = Server("link", SERVER_ADDRESS, self.far)
        except BaseException:
            self.close()
            raise

    def bytes(self):
        """Bytes of IP that went either way, and dropped packets, so far."""
        there, back, dropped = struct.unpack("QQQ", self._counters.read_bytes())
        return there + back, dropped

    def measure(self, command, stdin=None):
        """Here the bytes are all of IP, with TCP's."""
        before = self.bytes()[0]
        sample = self.server.measure(command, self.near, stdin)
        sample.wire = self.bytes()[0] - before
        return sample

    def close(self):
        if hasattr(self, "server"):
            self.server.close()
        for process in self._started:
            process.terminate()
            process.wait()
        for namespace in self._namespaces:
            run("ip", "netns", "delete", namespace)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def serving(name):
    server = Server(name)
    try:
        yield server
    finally:
        server.close()
