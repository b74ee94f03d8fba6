"""The service that is sent to: as fast as can be, or as slow as is asked for.

nginx, which makes its reply up itself, where it is installed (`apt install nginx-light`), so that
what limits is whoever sends; else, and where replies are to take their time, a server of a few
lines of asyncio.
Both count requests: from the first to the last is the time of sending, whoever sends. The server of
our own notes when they came; of nginx a watcher asks for the count again and again.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
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

_REPLY = b'{"errors": [], "response": [%d]}'
"""No two records have one numberid: a row that got another's would be in doubt."""
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
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
    # The connection, then which of its requests in eight digits: no number comes twice.
    map $connection_requests $eighth {{
        {zeros}
    }}
    proxy_temp_path a; fastcgi_temp_path b; uwsgi_temp_path c; scgi_temp_path d;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /count {{ stub_status; }}
        location / {{ return 200 '{{"errors": [], "response": [$connection$eighth]}}'; }}
    }}
}}
"""

_ZEROS = " ".join(f'"~^(?<d{n}>.{{{n}}})$" {"0" * (8 - n)}$d{n};' for n in range(1, 9))


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs; `name` is what it is, for the table.

    One that `keeps_time` notes when the first request came since it was asked, and the last.
    """

    port: int
    name: str
    keeps_time: bool = False

    @property
    def base_url(self) -> str:
        """What `--base-url` takes."""
        return f"http://127.0.0.1:{self.port}/v2"

    @property
    def records_url(self) -> str:
        """Where records go."""
        return f"{self.base_url}/projects/134/records"

    def count(self) -> int:
        """Requests so far, this one among them."""
        return self.counted()[0]

    def counted(self) -> tuple[int, float]:
        """Requests so far, and the seconds from the first to the last, where it keeps time."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/count", timeout=5) as reply:
            words: list[bytes] = reply.read().split()
        # stub_status: "server accepts handled requests", then these three numbers.
        return int(words[9]), float(words[10]) if self.keeps_time else 0.0


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
        config.write_text(_NGINX.format(user=user, port=port, zeros=_ZEROS))
        with _running([nginx, "-p", folder, "-c", str(config)]):
            yield _ready(Service(port, "nginx"))


@contextlib.contextmanager
def slow_service(latency: float, *, wakeful: bool = False) -> Iterator[Service]:
    """A service that answers after so many seconds, however many ask at once.

    A `wakeful` one takes a processor for itself. To wake one that sleeps, in the same machine,
    takes the sender up to 0.2 ms a request, which to send to another machine does not.
    """
    port = _free_port()
    with _running([sys.executable, __file__, str(port), str(latency), str(int(wakeful))]):
        yield _ready(Service(port, "asyncio", keeps_time=True))


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
    """Notes how many `requests` came, and in how many `seconds` from the first to the last.

    A context manager. Of a service that does not keep time itself, to a twentieth of a second.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.requests = 0
        self.seconds = 0.0

    def __enter__(self) -> Watcher:
        self._before = self._service.count()
        if not self._service.keeps_time:
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._service.keeps_time:
            count, self.seconds = self._service.counted()
            # The asking is a request of its own.
            self.requests = count - self._before - 1
            return
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        before, then, first = self._before, time.perf_counter(), 0.0
        while not self._over.wait(_WATCH_SECONDS):
            count, now = self._service.count(), time.perf_counter()
            if (came := count - before - 1) > 0:
                first = first or then
                self.seconds = now - first
                self.requests += came
            before, then = count, now


class _Connection(asyncio.Protocol):
    """Just enough of HTTP: requests with a Content-Length, one after the other."""

    requests = 0
    first = last = 0.0

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
        _Connection.requests += 1
        if head.startswith(b"GET /count "):
            self._tell()
            return
        _Connection.last = time.perf_counter()
        _Connection.first = self.first or self.last
        reply = _REPLY % self.requests
        answer = _HEAD % len(reply) + reply
        if self._latency:
            self._loop.call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)

    def _tell(self) -> None:
        told = b"Active connections: 1 server accepts handled requests 0 0 %d %f"
        counted = told % (self.requests, self.last - self.first)
        _Connection.first = _Connection.last = 0.0
        self._transport.write(_HEAD % len(counted) + counted)


async def _serve(port: int, latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(latency), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


class _Wakeful(selectors.DefaultSelector):
    """Never sleeps."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not (found := super().select(0)) and time.monotonic() < until:
            pass
        return found


def _main() -> None:
    """Serve until terminated."""
    port, latency, wakeful = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    if latency:
        # Waits by select are kept to the microsecond; by epoll, as by uvloop, to the millisecond,
        # which is 2 % of the 50 that are to be measured.
        selector = _Wakeful if wakeful else selectors.SelectSelector
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector())) as runner:
            runner.run(_serve(port, latency))
    else:
        from importer.sending.loop import run_loop

        run_loop(_serve(port, latency))


if __name__ == "__main__":
    _main()
