"""Files on web servers: one by its address, or those that a folder's page links to.

Rules:
- Everything stays on the server that was named: a redirect or a link elsewhere is not followed.
- What comes is bounded: a page's size, the number of redirects, the time that each block takes.
- Nothing can be moved here.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from typing import ClassVar
from urllib.parse import quote, unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from importer.api.exchange import proxy_for
from importer.operations.remote_origin import (
    BLOCK,
    CONNECT_SECONDS,
    LISTED,
    SILENCE_SECONDS,
    RemoteEntry,
    RemoteURL,
)

_PAGE_LIMIT = 32 << 20
_REDIRECTS = 5
_SAFE = "/%:@!$&'()*+,;=~"


class _AnswerError(Exception):
    """The server's answer is of no use; `hint` says what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class HttpsOrigin:
    """A web server; paths are percent-encoded as in its addresses."""

    errors: ClassVar[tuple[type[Exception], ...]] = (
        _AnswerError,
        aiohttp.ClientError,
        OSError,
        ValueError,
    )
    moves: ClassVar[bool] = False

    def __init__(self, url: RemoteURL, variables: Mapping[str, str]) -> None:
        del variables
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make a session; the first question connects."""
        url = self._url
        # What is not unpacked cannot be a bomb, and has the size that the server tells.
        headers = {"User-Agent": "vcc-importer", "Accept-Encoding": "identity"}
        if url.user is not None or url.password is not None:
            password = "" if url.password is None else url.password.reveal()
            pair = base64.b64encode(f"{url.user or ''}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        self._headers = headers
        proxy, self._proxy_headers = proxy_for(url.origin)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=4),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
            ),
            auto_decompress=False,
            proxy=proxy,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            # TLS is closed in a callback of the loop, which ends with us.
            await asyncio.sleep(0)

    async def entries(self, folder: str) -> list[RemoteEntry]:
        """The files and folders that the folder's page links to; sizes and times are unknown."""
        folder = folder.rstrip("/") + "/"
        async with self._response("GET", folder) as response:
            kind = response.content_type
            if kind not in ("text/html", "application/xhtml+xml"):
                raise _AnswerError(
                    f"the server gives no list of this folder, but {kind}",
                    "Name each file by its whole address, or ask its owner for a listing.",
                )
            page = bytearray()
            async for block in response.content.iter_chunked(BLOCK):
                page += block
                if len(page) > _PAGE_LIMIT:
                    raise _AnswerError(
                        f"the folder's page is larger than {_PAGE_LIMIT >> 20} MiB",
                        "Name each file by its whole address.",
                    )
        links = _Links()
        links.feed(page.decode("utf-8", "replace"))
        base = self._url.origin + folder
        found = {path for link in links.found if (path := self._child(base, folder, link))}
        if len(found) > LISTED:
            raise ValueError(f"the page links to more than {LISTED:,} files")
        return [RemoteEntry(p.rstrip("/"), p.endswith("/"), None, None) for p in sorted(found)]

    async def look(self, path: str) -> RemoteEntry:
        """Size and time of a file, as far as the server tells them."""
        async with self._response("HEAD", path) as response:
            if response.status in (405, 501):
                return RemoteEntry(path, folder=False, size=None, modified=None)
            # Not content_length: a server that packs against our wish tells another size.
            length = response.headers.get("Content-Length", "")
            packed = response.headers.get("Content-Encoding", "identity") != "identity"
            size = int(length) if length.isdecimal() and not packed else None
            return RemoteEntry(path, folder=False, size=size, modified=_modified(response))

    async def blocks(self, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""
        async with self._response("GET", path) as response:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _AnswerError(
                    "the server packs the file though it was asked not to",
                    "Ask its owner to serve the file as it is.",
                )
            async for block in response.content.iter_chunked(BLOCK):
                yield block

    async def move(self, entry: RemoteEntry, path: str) -> None:
        """Never: a web server is read only."""
        raise NotImplementedError

    def explain(self, error: Exception) -> tuple[str, str]:
        """What went wrong, and what to do next; aiohttp's own words may hold the password."""
        match error:
            case _AnswerError():
                return str(error), error.hint
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
                return (
                    "the server's certificate is not trusted, or TLS fails",
                    "Have the server renew it, or name the CA's file in SSL_CERT_FILE.",
                )
            case aiohttp.ClientPayloadError():
                return "the file broke off on its way", "Try again."
            case aiohttp.ClientConnectorError():
                reason = error.os_error.strerror or type(error.os_error).__name__
                return f"cannot be reached: {reason}", "Check host, port and network."
            case aiohttp.ClientError():
                return f"the connection failed ({type(error).__name__})", "Try again."
            case ValueError():
                return str(error), "Check the address."
        return f"cannot be reached: {type(error).__name__}", "Check host, port and network."

    @contextlib.asynccontextmanager
    async def _response(self, method: str, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request, redirects within the server followed."""
        if self._session is None:
            raise RuntimeError("open() comes first")
        asked = "" if self._url.query is None else f"?{self._url.query.reveal()}"
        target = f"{self._url.origin}{path}{asked}"
        for _ in range(_REDIRECTS + 1):
            async with self._session.request(
                method,
                URL(target, encoded=True),
                headers=self._headers,
                proxy_headers=self._proxy_headers,
                allow_redirects=False,
            ) as response:
                if response.status not in (301, 302, 303, 307, 308):
                    _check_status(response.status, path, method)
                    yield response
                    return
                target = self._redirected(target, response.headers.get("Location", ""))
        raise _AnswerError("the server redirects in circles", "Ask its owner.")

    def _redirected(self, target: str, location: str) -> str:
        there = urljoin(target, location)
        if not self._is_same_server(there):
            host = urlsplit(there).hostname or "another address"
            raise _AnswerError(
                f"the server sends us on to {host}, where nobody said that we may go",
                "If the files are there now, put that address into the jobs file.",
            )
        return there

    def _is_same_server(self, address: str) -> bool:
        parts, own = urlsplit(address), urlsplit(self._url.origin)
        standard = {"https": 443, "http": 80}
        return (
            parts.scheme == own.scheme
            and parts.username is None
            and parts.hostname == own.hostname
            and (parts.port or standard.get(parts.scheme)) == (own.port or standard.get(own.scheme))
        )

    def _child(self, base: str, folder: str, link: str) -> str | None:
        """The path of a link to something directly in the folder; None for any other link."""
        try:
            address = urljoin(base, link.strip())
            if not self._is_same_server(address):
                return None
        except ValueError:
            return None
        parts = urlsplit(address)
        path = quote(parts.path, safe=_SAFE)
        if parts.query or not path.startswith(folder):
            return None
        name = unquote(path[len(folder) :].rstrip("/"))
        if not name or "/" in name or name in (".", "..") or "\0" in name:
            return None
        return path


class _Links(HTMLParser):
    """Collects where a page's links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the target of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _check_status(status: int, path: str, method: str) -> None:
    if status in (404, 410):
        raise FileNotFoundError(path)
    if status in (401, 403):
        raise _AnswerError(
            f"the server does not let us in (HTTP {status})",
            "Check the user and the password's variable: https://user:${NAME}@host/….",
        )
    if method == "HEAD" and status in (405, 501):
        return
    if status != 200:
        raise _AnswerError(f"the server answers HTTP {status}", "Try again; then ask its owner.")


def _modified(response: aiohttp.ClientResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Last-Modified"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
