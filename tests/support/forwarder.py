"""A forwarder between a client and a service, which tells of each request before it goes on."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@contextmanager
def forwarding(base_url: str, on_request: Callable[[str, int], None]) -> Iterator[str]:
    """The address that forwards to `base_url`; `on_request` gets a method, and how many came of it.

    A request goes on when `on_request` has returned: what it does surely comes before the answer.
    """
    to = urlsplit(base_url)
    lock, counts = threading.Lock(), dict[str, int]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with lock:
                counts[self.command] = counts.get(self.command, 0) + 1
                on_request(self.command, counts[self.command])
            service = http.client.HTTPConnection(to.hostname or "", to.port, timeout=60)
            headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
            service.request(self.command, self.path, body or None, headers)
            answer = service.getresponse()
            content = answer.read()
            service.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP | {"date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _forward  # noqa: N815 - names of http.server

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{to.path}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
