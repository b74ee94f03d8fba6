"""The service that is sent to: as fast as can be, or as slow as is asked for.

nginx with a fixed reply where it is installed (`apt install nginx-light`), so that what limits is
whoever sends; else, and where replies are to take their time, a server of a few lines of asyncio.
Both count requests, and a watcher asks for the count: from the first request to the last is the
time of sending, whoever sends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

REPLY = b'{"errors": [], "response": [6]}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
_ANSWER = _HEAD % len(REPLY) + REPLY
_WATCH_SECONDS = 0.05

_NGINX = """
{user}
worker_processes 1;
daemon off;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 100000000;
    keepalive_timeout 75s;
    client_body_temp_path bodies;
    proxy_temp_path a; fastcgi_temp_path b; uwsgi_temp_path c; scgi_temp_path d;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /count {{ stub_status; }}
        location / {{ return 200 '{reply}'; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs; `name` is what it is, for the table."""

    port: int
    name: str

    @property
    def base_url(self) -> str:
        """What `--base-url` takes."""
        return f"http://127.0.0.1:{self.port}/v2"

    @property
    def records_url(self) -> str:
        """Where records go."""
        return f"{self.base_url}/projects/134/records"

    def count(self) -> int:
        """Requests so far, the asking itself left out as far as can be told apart."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=5) as reply:
            words: list[bytes] = reply.read().split()
        # stub_status: "server accepts handled requests", then these three numbers.
        return int(words[9])


@contextlib.contextmanager
def fast_service() -> Iterator[Service]:
    """A service that answers at once."""
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        with slow_service(0.0) as service:
            yield service
        return
    with tempfile.TemporaryDirectory(prefix="vcc-bench-nginx-") as folder:
        port = _free_port()
        user = "user root;" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(user=user, port=port, reply=REPLY.decode()))
        with _running([nginx, "-p", folder, "-c", str(config)]):
            yield _ready(Service(port, "nginx"))


@contextlib.contextmanager
def slow_service(latency: float) -> Iterator[Service]:
    """A service that answers after so many seconds, however many ask at once."""
    port = _free_port()
    with _running([sys.executable, __file__, str(port), str(latency)]):
        yield _ready(Service(port, "asyncio"))


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _ready(service: Service) -> Service:
    until = time.monotonic() + 10
    while True:
        try:
            service.count()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return service


class Watcher:
    """Notes when the first request came and when the last did, to a twentieth of a second.

    A context manager. `seconds` is the time between, `requests` is how many came.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._first = self._last = 0.0
        self.requests = 0

    @property
    def seconds(self) -> float:
        """From the first request to the last."""
        return self._last - self._first

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before = self._service.count()
        then = time.perf_counter()
        while not self._over.wait(_WATCH_SECONDS):
            count = self._service.count()
            now = time.perf_counter()
            # Each asking is a request of its own.
            came = count - before - 1
            if came > 0:
                self._first = self._first or then
                self._last = now
                self.requests += came
            before, then = count, now


class _Connection(asyncio.Protocol):
    """Just enough of HTTP: requests with a Content-Length, one after the other."""

    counter = itertools.count(1)
    requests = 0

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not isinstance: uvloop's transports are no subclass.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not end or len(rest) < int(length or 0):
            return
        self._buffer = rest[int(length or 0) :]
        _Connection.requests = next(self.counter)
        if head.startswith(b"GET /count "):
            counted = (
                b"Active connections: 1 server accepts handled requests 0 0 %d" % self.requests
            )
            self._transport.write(_HEAD % len(counted) + counted)
        elif self._latency:
            self._loop.call_later(self._latency, self._transport.write, _ANSWER)
        else:
            self._transport.write(_ANSWER)


async def _serve(port: int, latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latency), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _main() -> None:
    """Serve until terminated."""
    port, latency = int(sys.argv[1]), float(sys.argv[2])
    if latency:
        # Waits by select are kept to the microsecond; by epoll, as by uvloop, to the millisecond,
        # which is 2 % of the 50 that are to be measured.
        with asyncio.Runner(loop_factory=_exact_loop) as runner:
            runner.run(_serve(port, latency))
    else:
        from importer.loop import run_loop

        run_loop(_serve(port, latency))


if __name__ == "__main__":
    _main()
