# SPDX-License-Identifier: GPL-2.0-or-later
"""Web servers, and caches before one, that serve a test's store: one class each, its command and its files are
all that it needs. Each is a plain process on a free port of the loopback, with all its files in one folder,
until `with` ends."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from kit import KIB, NGINX
from ports import free_port

S3RVER = Path(__file__).resolve().parents[2] / "build/cache/s3rver/node_modules/s3rver/bin/s3rver.js"
START_TIME = 60  # seconds in which a server answers, or never does


class Server:
    """Serves what `lab` has published, a copy of it in store/. Lab.url(server=….url) is the source."""

    # What a server is made of, and what it does.

    is_cache = False  # of `origin`, the nginx of all tests if nothing else is said; then store/ is not there
    is_object_store = False  # filled through its own interface
    requests_per_connection = None  # after so many it closes a connection, where it can be told to
    as_nobody = True  # where the tests run as root
    past_the_end = 416  # what it answers to a range behind the end of a file

    def files(self):
        """{name in its folder: text}"""
        return {}

    def command(self):
        raise NotImplementedError

    # The rest is the same for all.

    def __init__(self, lab, origin=NGINX):
        self._lab, self.origin = lab, origin

    def __enter__(self):
        # Not below the tree: whoever is root runs them as nobody, who may not be allowed to look there. Most
        # of them refuse root, or take another user by themselves.
        self.folder = Path(tempfile.mkdtemp(prefix=f"regild-{type(self).__name__.lower()}-"))
        try:
            for _ in range(5):  # somebody else may take the port meanwhile
                self.port = free_port()
                self.url = f"http://127.0.0.1:{self.port}"
                self._prepare()
                if self._start():
                    return self
            raise AssertionError(f"{self.command()[0]} does not start:\n{self._output()}")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        self._stop()
        shutil.rmtree(self.folder)

    def _prepare(self):
        if not self.is_cache and not self.is_object_store:
            shutil.copytree(self._lab.store, self.folder / "store" / self._lab.name, dirs_exist_ok=True)
        for name, text in self.files().items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for path in self.folder, *self.folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
            if self._drops_root():
                shutil.chown(path, "nobody", "nogroup")

    def _start(self):
        as_nobody = {"user": "nobody", "group": "nogroup", "extra_groups": []} if self._drops_root() else {}
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder),
                       "TMPDIR": str(self.folder)}
        with open(self.folder / "output", "wb") as output:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=output, env=environment, cwd=self.folder, **as_nobody)
        until = time.monotonic() + START_TIME
        while self._process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(self.url + "/sentinel").read()
                return True
            except urllib.error.HTTPError as answer:
                if answer.code < 500:  # a cache says 5xx where it is not ready itself
                    return True
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.05)
        self._stop()
        return False

    def _stop(self):
        process = getattr(self, "_process", None)
        if process and process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _drops_root(self):
        return self.as_nobody and os.getuid() == 0

    def _output(self):
        return "".join(f"--- {path.name}\n{path.read_text(errors='replace')}"
                       for path in sorted(self.folder.glob("*")) if path.name == "output" or path.suffix == ".log")


class Nginx(Server):
    requests_per_connection = 2

    def locations(self):
        return "root store;"

    def zone(self):
        return ""

    def files(self):
        return {"nginx.conf": f"""
daemon off;
pid nginx.pid;
error_log error.log;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	keepalive_requests {self.requests_per_connection};
	{self.zone()}
	server {{
		listen 127.0.0.1:{self.port};
		{self.locations()}
	}}
}}
"""}

    def command(self):
        return ["nginx", "-e", "error.log", "-p", str(self.folder), "-c", "nginx.conf"]


class NginxSlice(Nginx):
    """A cache of slices: what is asked for is fetched, and what lies beside it in its slice."""

    is_cache = True

    def __init__(self, lab, slice_size=64 * KIB, **more):
        super().__init__(lab, **more)
        self.slice_size = slice_size

    def zone(self):
        return "proxy_cache_path cache keys_zone=store:1m max_size=1g inactive=30d use_temp_path=off;"

    def locations(self):
        return f"""
		location / {{
			slice {self.slice_size};
			proxy_cache store;
			proxy_cache_key $uri$slice_range;
			proxy_set_header Range $slice_range;
			proxy_cache_valid 200 206 30d;
			proxy_cache_lock on;
			proxy_cache_lock_timeout 60s;
			proxy_cache_lock_age 60s;
			proxy_http_version 1.1;
			proxy_pass {self.origin};
		}}
		# A channel changes.
		location ~ \\.json$ {{ proxy_pass {self.origin}; }}"""


class Apache(Server):
    requests_per_connection = 2

    def files(self):
        modules = "/usr/lib/apache2/modules"
        return {"apache.conf": f"""
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
PidFile apache.pid
ErrorLog error.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
ServerName 127.0.0.1
Listen 127.0.0.1:{self.port}
MaxKeepAliveRequests {self.requests_per_connection}
DocumentRoot {self.folder}/store
<Directory {self.folder}/store>
	Require all granted
</Directory>
"""}

    def command(self):
        return ["apache2", "-D", "FOREGROUND", "-f", str(self.folder / "apache.conf")]


class Lighttpd(Server):
    requests_per_connection = 2

    def files(self):
        return {"lighttpd.conf": f"""
server.bind = "127.0.0.1"
server.port = {self.port}
server.document-root = "{self.folder}/store"
server.errorlog = "{self.folder}/error.log"
server.max-keep-alive-requests = {self.requests_per_connection}
"""}

    def command(self):
        return ["lighttpd", "-D", "-f", str(self.folder / "lighttpd.conf")]


class Caddy(Server):
    def files(self):
        return {"Caddyfile": f"""
{{
	admin off
	auto_https off
}}
:{self.port} {{
	bind 127.0.0.1
	root * {self.folder}/store
	file_server
}}
"""}

    def command(self):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(self.folder / "Caddyfile")]


class Varnish(Server):
    is_cache = True

    def files(self):
        host, port = self.origin.removeprefix("http://").split(":")
        return {"store.vcl": f"""
vcl 4.1;
backend origin {{ .host = "{host}"; .port = "{port}"; }}
sub vcl_recv {{
	if (req.url ~ "\\.json$") {{ return (pass); }}
}}
"""}

    def command(self):
        return ["varnishd", "-F", "-n", str(self.folder / "work"), "-f", str(self.folder / "store.vcl"),
                "-a", f"127.0.0.1:{self.port}", "-s", "malloc,64m"]


class Squid(Server):
    is_cache = True
    past_the_end = 200

    def files(self):
        host, port = self.origin.removeprefix("http://").split(":")
        return {"squid.conf": f"""
http_port 127.0.0.1:{self.port} accel no-vhost defaultsite=127.0.0.1
cache_peer {host} parent {port} 0 no-query originserver
http_access allow all
cache_mem 64 MB
maximum_object_size_in_memory 64 MB
range_offset_limit none
collapsed_forwarding on
acl document urlpath_regex \\.json$
cache deny document
pid_filename {self.folder}/squid.pid
cache_log {self.folder}/cache.log
access_log none
coredump_dir {self.folder}
pinger_enable off
shutdown_lifetime 0 seconds
"""}

    def command(self):
        return ["squid", "-N", "--foreground", "-n", f"regild{self.port}", "-f", str(self.folder / "squid.conf")]


class TrafficServer(Server):
    """Slices as well."""

    is_cache = True

    def __init__(self, lab, slice_size=64 * KIB, **more):
        super().__init__(lab, **more)
        self.slice_size = slice_size

    def files(self):
        folders = ("bindir: /usr/bin", "sbindir: /usr/sbin", f"sysconfdir: {self.folder}/etc",
                   "libdir: /usr/lib/trafficserver", "libexecdir: /usr/lib/trafficserver/modules",
                   f"datadir: {self.folder}/data", f"localstatedir: {self.folder}/run",
                   f"runtimedir: {self.folder}/run", f"logdir: {self.folder}/log", f"cachedir: {self.folder}/data")
        return {
            "runroot.yaml": "\n".join((f"prefix: {self.folder}", f"exec_prefix: {self.folder}", *folders)) + "\n",
            "etc/records.config": f"""
CONFIG proxy.config.http.server_ports STRING {self.port}:ip-in=127.0.0.1
CONFIG proxy.config.http.cache.required_headers INT 0
CONFIG proxy.config.http.cache.max_open_read_retries INT 200
CONFIG proxy.config.http.cache.open_read_retry_time INT 50
CONFIG proxy.config.http.cache.open_write_fail_action INT 5
CONFIG proxy.config.cache.ram_cache.size INT 16777216
CONFIG proxy.config.diags.output.diag STRING E
""",
            "etc/remap.config": f"map / {self.origin}/ @plugin=slice.so @pparam=--blockbytes={self.slice_size} "
                                "@pparam=--ref-relative "
                                "@plugin=cache_range_requests.so\n",
            "etc/cache.config": "url_regex=\\\\.json$ action=never-cache\n",
            "etc/storage.config": f"{self.folder}/data 128M\n",
            "etc/ip_allow.yaml": "ip_allow: [{apply: in, ip_addrs: 127.0.0.1, action: allow, methods: ALL}]\n",
            "data/here": "", "run/here": "", "log/here": "",
        }

    def command(self):
        return ["traffic_server", f"--run-root={self.folder}/runroot.yaml"]


class S3(Server):
    """An object store; the test's name is the bucket, and upload() fills it. s3rver checks signatures of version
    2 and believes those of version 4."""

    is_object_store = True
    as_nobody = False  # who may not be allowed to look where it is installed
    key = "S3RVER"  # its own, and its secret

    def command(self):
        assert S3RVER.exists(), "s3rver is missing: tests/setup/install-s3rver"
        return ["node", str(S3RVER), "-s", "--no-vhost-buckets", "-d", str(self.folder / "data"), "-a", "127.0.0.1",
                "-p", str(self.port), "--configure-bucket", self._lab.name]

    def presigned(self, path, lifetime=60, method="GET"):
        """`path` with a query that lets anybody in for so many seconds."""
        expires = int(time.time()) + lifetime
        text = f"{method}\n\n\n{expires}\n{path}"
        signature = base64.b64encode(hmac.digest(self.key.encode(), text.encode(), hashlib.sha1)).decode()
        return path + "?" + urllib.parse.urlencode(
            {"AWSAccessKeyId": self.key, "Expires": expires, "Signature": signature})

    def upload(self):
        for file in self._lab.store.rglob("*.*"):
            path = f"/{self._lab.name}/{file.relative_to(self._lab.store)}"
            request = urllib.request.Request(self.url + self.presigned(path, method="PUT"), file.read_bytes(),
                                             {"Content-Type": ""}, method="PUT")
            urllib.request.urlopen(request).read()
