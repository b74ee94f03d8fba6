"""A real console in a thread, and a browser of a sort that talks to it over real sockets."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from importer.console.connections import MOST
from importer.console.instance import Link
from importer.console.server import serve
from importer.settings import DEFAULT_RUNS_DIR

SECONDS = 20


@dataclass(frozen=True, slots=True)
class Page:
    """A whole answer; `headers` in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def words(self) -> str:
        """What a person reads of a page: no tags, on one line."""
        text = re.sub(r"<(head|script)\b.*?</\1>|<[^>]*>", " ", self.text, flags=re.DOTALL)
        return " ".join(html.unescape(text).split())

    @property
    def csrf(self) -> str:
        """The CSRF token of the page's forms."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        assert found is not None, self.words
        return found[1]


@dataclass(slots=True)
class LiveConsole:
    """A console that can be reached at `port`; `link` was given when it began."""

    link: Link

    @property
    def port(self) -> int:
        port = urlsplit(self.link.url).port
        assert port is not None
        return port

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    def browser(self, link: Link | None = None) -> Browser:
        """A browser that has opened the link."""
        browser = Browser(self)
        url = urlsplit((link or self.link).url)
        answer = browser.get(f"{url.path}?{url.query}", {"Sec-Fetch-Site": "cross-site"})
        assert answer.status == 200, answer.words
        name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        browser.cookies[name] = value
        return browser

    def raw(self, request: bytes) -> bytes:
        """Bytes sent as they are, and all that comes back until the connection ends."""
        with socket.create_connection(("127.0.0.1", self.port), SECONDS) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except ConnectionError:
                pass
            return answer


@dataclass(slots=True)
class Browser:
    """Sends what a browser sends from a page of the console: cookies, Origin, Sec-Fetch-Site."""

    console: LiveConsole
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: Mapping[str, str | None] | None = None) -> Page:
        return self.ask("GET", path, None, headers)

    def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Page:
        """A form, with the CSRF token of the first page unless it has one of its own."""
        given = {"csrf": self.csrf, **(form or {})}
        more = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask("POST", path, urlencode(given).encode(), more)

    def get_part(self, path: str) -> Page:
        """What htmx gets of a page."""
        return self.get(path, HTMX)

    def post_part(self, path: str, form: Mapping[str, str] | None = None) -> Page:
        """A form that htmx sends; the answer is a part of a page."""
        return self.post(path, form, HTMX)

    @property
    def csrf(self) -> str:
        return self.get("/").csrf

    def upload(self, name: str, content: bytes, csrf: str | None = None) -> Page:
        """The form of the first page with a file."""
        body, kind = multipart(
            [("csrf", None, (csrf or self.csrf).encode()), ("file", name, content)]
        )
        return self.ask("POST", "/drafts", body, {"Content-Type": kind})

    def draft(self, name: str, content: bytes) -> str:
        """The address of the first step of the draft that an upload has made."""
        answer = self.upload(name, content)
        assert answer.status == 303, answer.words
        return answer.headers["location"]

    def draft_id(self, name: str, content: bytes) -> str:
        """The id of the draft that an upload has made."""
        return self.draft(name, content).split("/")[2]

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Page:
        """A request; a header that is None is left out."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        usual: dict[str, str | None] = {"Sec-Fetch-Site": "same-origin", "Cookie": cookie or None}
        if method == "POST":
            usual["Origin"] = self.console.origin
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value}
        connection = http.client.HTTPConnection("127.0.0.1", self.console.port, timeout=SECONDS)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, found, answer.read())
        finally:
            connection.close()


HTMX = {"HX-Request": "true"}
BOUNDARY = "----boundary7MA4YWxkTrZu0gW"


def multipart(parts: list[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    """The body of a form as browsers send it, and its type."""
    body = b""
    for name, file, content in parts:
        escaped = (file or "").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        named = f'; filename="{escaped}"' if file is not None else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'.encode()
        body += b"Content-Type: text/csv\r\n" if file is not None else b""
        body += b"\r\n" + content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


@contextmanager
def live_console(
    *, port: int = 0, runs_dir: Path = DEFAULT_RUNS_DIR, most_connections: int = MOST
) -> Iterator[LiveConsole]:
    """A console of this test's folder of state, until the block ends."""
    ready: list[Link] = []
    error: list[BaseException] = []
    known = threading.Event()
    stops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def work() -> None:
        told = asyncio.Event()
        stops.append((asyncio.get_running_loop(), told))

        def on_ready(link: Link) -> None:
            ready.append(link)
            known.set()

        await serve(
            port=port,
            on_ready=on_ready,
            until=told,
            runs_dir=runs_dir,
            most_connections=most_connections,
        )

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as caught:  # noqa: BLE001 (it is raised in the test's own thread)
            error.append(caught)
        finally:
            known.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert known.wait(SECONDS)
        if not error:
            yield LiveConsole(ready[0])
    finally:
        loop, told = stops[0]
        if thread.is_alive():
            loop.call_soon_threadsafe(told.set)
        thread.join(SECONDS)
        if error:
            raise error[0]
        assert not thread.is_alive()


def contact(state: Path) -> dict[str, Any]:
    """What a process of this user finds of the console that runs."""
    found: dict[str, Any] = json.loads((state / "console" / "contact.json").read_text("utf-8"))
    return found
